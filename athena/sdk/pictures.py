"""Pictures in: whatever file the caller has sent, upright, in the mode that a model wants.

Needs the extra `media` of athena-serving, which is imported when the first picture is read.
"""

import io
from typing import TYPE_CHECKING, Any

from athena.sdk.data import DataListNode
from athena.sdk.errors import InputError

if TYPE_CHECKING:
    from PIL.Image import Image

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")

READABLE = "JPEG, PNG, WebP, GIF, BMP and TIFF are read"

#: Modes with 16 bits for each pixel; Pillow would cut what is brighter than 255.
_DEEP = ("I", "I;16", "I;16L", "I;16B", "I;16N")


def picture(node: DataListNode | bytes | None, mode: str = "RGB", *, max_pixels: int = 40_000_000) -> "Image":
    """Returns a picture as one of Pillow's, which `numpy.asarray` takes.

    It is turned upright where it carries an orientation (EXIF). What is transparent becomes white, unless the
    mode has transparency (`RGBA`, `LA`); 16 bits become 8; of a film, the first frame is taken.

    Args:
        node: the input, or its bytes.
        mode: `RGB`, `L` for grey, or another one of Pillow's.
        max_pixels: one with more pixels is refused before it is decoded.

    Raises:
        InputError: there is none, it cannot be read, is cut off, or is too large.
    """
    key, data = (node.key, node.data) if isinstance(node, DataListNode) else ("", node)
    if not data:
        raise InputError("holds no picture", key)
    try:
        from PIL import Image, ImageOps
    except ImportError as error:
        raise ImportError(f"Pillow is missing: pip install 'athena-serving[media]' ({error})") from error
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as found:
            if found.width * found.height > max_pixels:
                raise InputError(f"has {found.width} x {found.height} pixels, more than {max_pixels}", key)
            upright: Image.Image = ImageOps.exif_transpose(found)
            return _in_mode(upright, mode, key)
    except InputError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise InputError(f"has more than {max_pixels} pixels", key) from error
    # Its plug-ins raise these about what they read.
    except (OSError, ValueError, SyntaxError, EOFError, IndexError, KeyError, TypeError) as error:
        raise InputError(f"is no whole picture that can be read; {READABLE}", key) from error


def _in_mode(picture: "Image", mode: str, key: str) -> "Image":
    from PIL import Image

    if picture.mode == "F":
        raise InputError("has pixels that are fractions, for which there is no black and white", key)
    if picture.mode in _DEEP:
        picture = _of_eight_bits(picture)
    is_transparent = "transparency" in picture.info or picture.mode in ("RGBA", "LA", "PA", "La", "RGBa")
    if is_transparent and mode not in ("RGBA", "LA"):
        whole = picture.convert("RGBA")
        paper = Image.new("RGBA", whole.size, "white")
        picture = Image.alpha_composite(paper, whole)
    return picture.convert(mode)


def _of_eight_bits(picture: "Image") -> "Image":
    import numpy
    from PIL import Image

    pixels: Any = numpy.asarray(picture).astype(numpy.int64)
    return Image.fromarray(numpy.clip(pixels // 257, 0, 255).astype(numpy.uint8))
