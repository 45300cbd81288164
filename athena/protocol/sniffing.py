"""What pictures and sounds are, told by their first bytes.

A caller who names the wrong `encoding` is warned, not refused: many wrappers look at the bytes themselves.
"""

from collections.abc import Mapping

#: (offset, bytes, encoding); the first that fits counts.
_SIGNATURES = (
    (0, b"\xff\xd8\xff", "jpg"),
    (0, b"\x89PNG\r\n\x1a\n", "png"),
    (0, b"GIF87a", "gif"),
    (0, b"GIF89a", "gif"),
    (0, b"BM", "bmp"),
    (0, b"II*\x00", "tiff"),
    (0, b"MM\x00*", "tiff"),
    # BigTIFF.
    (0, b"II+\x00", "tiff"),
    (0, b"MM\x00+", "tiff"),
    (8, b"WEBP", "webp"),
    (8, b"WAVE", "wav"),
    (0, b"fLaC", "flac"),
    # MPEG 1, 2 and 2.5 (8 to 12 kHz), layer III, each without and with a checksum.
    (0, b"\xff\xfb", "mp3"),
    (0, b"\xff\xfa", "mp3"),
    (0, b"\xff\xf3", "mp3"),
    (0, b"\xff\xf2", "mp3"),
    (0, b"\xff\xe3", "mp3"),
    (0, b"\xff\xe2", "mp3"),
    (0, b"#!AMR", "amr"),
    (0, b"OggS", "ogg"),
)

#: Encoding as callers write it -> what its first bytes are. Headless sounds (pcm, raw, …) are not in here.
_EXPECTED = {
    "jpg": "jpg",
    "jpeg": "jpg",
    "png": "png",
    "gif": "gif",
    "bmp": "bmp",
    "tif": "tiff",
    "tiff": "tiff",
    "webp": "webp",
    "wav": "wav",
    "flac": "flac",
    "mp3": "mp3",
    "lame": "mp3",
    "amr": "amr",
    "ogg": "ogg",
}

#: Encodings of sound that have no header: one that is there all the same was hardly meant.
_HEADLESS = frozenset(("raw", "pcm"))

_AUDIO, _IMAGE = 1, 2


#: Tags before a sound; more of them are hardly meant.
_MAX_TAGS = 8


def sniff(data: bytes) -> str:
    """Returns the encoding that the first bytes tell; "" when they tell nothing."""
    behind = _behind_tags(data)
    if behind:
        return "flac" if data.startswith(b"fLaC", behind) else "mp3"
    for offset, signature, encoding in _SIGNATURES:
        if data.startswith(signature, offset):
            return encoding
    return ""


def _behind_tags(data: bytes) -> int:
    """Returns where a sound begins behind its ID3 tags (ID3v2.4.0, 3.1), which FLAC files have as well.

    A tag's length is that of what follows its 10 bytes of header; a footer of 10 bytes is not counted in.
    """
    start = 0
    for _ in range(_MAX_TAGS):
        if not data.startswith(b"ID3", start) or len(data) < start + 10:
            break
        length = 0
        for byte in data[start + 6 : start + 10]:
            # Seven bits each: so no length looks like the beginning of a sound (ID3v2.4.0, 6.2).
            length = length << 7 | byte & 0x7F
        start += 10 + length + (10 if data[start + 5] & 0x10 else 0)
    return start


def encoding_warning(type: int, data: bytes, attributes: Mapping[str, str]) -> str:
    """Returns what is odd about a picture or a sound, as a sentence; "" when nothing is.

    Args:
        type: data type number.
        data: unpacked.
        attributes: of the input; only `encoding` counts.
    """
    named = attributes.get("encoding", "").lower()
    if type not in (_AUDIO, _IMAGE) or not data or not named:
        return ""
    found = sniff(data)
    if named in _HEADLESS:
        # Samples may begin like an MP3 or a bitmap by chance: these are told by two bytes.
        return f"begins like {found}, although its encoding is {named}" if found in ("wav", "flac") else ""
    expected = _EXPECTED.get(named)
    if expected is None or found == expected:
        return ""
    if found:
        return f"looks like {found}, although its encoding is {named}"
    return f"does not look like {named}, as its encoding says"
