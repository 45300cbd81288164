"""The picture ability with its real models, without any service."""

import base64
import importlib.util
import io
import json
import shutil
import struct
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from athena.sdk import DataListCls, DataListNode, Response

pytest.importorskip("rapidocr")
pytest.importorskip("onnxruntime")
Image = pytest.importorskip("PIL.Image")
PngInfo = pytest.importorskip("PIL.PngImagePlugin").PngInfo

ABILITY = Path(__file__).parents[2] / "abilities" / "mmocr"
PICTURE = (ABILITY / "picture.jpg").read_bytes()
GOLDEN = json.loads((ABILITY / "golden.json").read_text(encoding="utf-8"))["words"]
MISSING, UNREADABLE, TOO_LARGE = 1, 2, 3

Read = Callable[[bytes], Response]


@pytest.fixture(scope="module")
def wrapper() -> Iterator[Any]:
    known = set(sys.modules)
    sys.path.insert(0, str(ABILITY))
    spec = importlib.util.spec_from_file_location("wrapper", ABILITY / "wrapper.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    instance = module.Wrapper()
    assert instance.wrapperInit({}) == 0
    yield instance
    instance.wrapperFini()
    sys.path.remove(str(ABILITY))
    for path in ABILITY.glob("*.py"):
        if path.stem not in known:
            sys.modules.pop(path.stem, None)


@pytest.fixture
def read(wrapper: Any) -> Read:
    def read(data: bytes) -> Response:
        nodes = DataListCls([DataListNode("data", data, 2)])
        response: Response = wrapper.wrapperOnceExec({"sid": "1"}, nodes)
        return response

    return read


def found(response: Response) -> list[dict[str, Any]]:
    assert response.error_code == 0
    assert [item.key for item in response.list] == ["boxes"]
    (picture,) = json.loads(response.list[0].data)
    assert picture["filename"] == "0"
    result: list[dict[str, Any]] = picture["result"]
    return result


def words(response: Response) -> list[str]:
    return [item["text"] for item in found(response)]


def saved(image: Any, file_format: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, file_format, **options)
    return file.getvalue()


def poster() -> Any:
    return Image.open(io.BytesIO(PICTURE)).convert("RGB")


def png_header(width: int, height: int) -> bytes:
    """Returns a PNG that claims a size and holds next to nothing."""
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(b"")),
        (b"IEND", b""),
    )
    parts = (
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def test_the_picture_is_read_word_by_word(read: Read) -> None:
    result = found(read(PICTURE))

    assert [item["text"] for item in result] == GOLDEN
    for item in result:
        assert set(item) == {"box", "box_score", "text", "text_score"}
        assert len(item["box"]) == 8 and all(type(number) is int for number in item["box"])
        assert all(0 <= x <= 480 for x in item["box"][::2])
        assert all(0 <= y <= 360 for y in item["box"][1::2])
        assert 0.3 < item["box_score"] < 1
        assert 0.5 < item["text_score"] <= 1


def test_the_example_holds_the_picture() -> None:
    example = json.loads((ABILITY / "example.json").read_text(encoding="utf-8"))

    assert base64.b64decode(example["payload"]["data"]["image"]) == PICTURE
    assert len(PICTURE) < 60_000


def test_calls_do_not_influence_each_other(read: Read) -> None:
    first = read(PICTURE).list[0].data
    read(saved(Image.new("RGB", (90, 700), "white"), "PNG"))

    assert read(PICTURE).list[0].data == first


@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (5000, 1), (300, 200)])
def test_a_picture_without_text_gives_an_empty_result(read: Read, size: tuple[int, int]) -> None:
    response = read(saved(Image.new("RGB", size, "white"), "PNG"))

    assert json.loads(response.list[0].data) == [{"filename": "0", "result": []}]


@pytest.mark.parametrize(
    "data, code",
    [
        pytest.param(b"", MISSING, id="nothing"),
        pytest.param(b"\x00\x01rubbish" * 50, UNREADABLE, id="rubbish"),
        pytest.param(PICTURE[: len(PICTURE) // 2], UNREADABLE, id="half a JPEG"),
        pytest.param(PICTURE[:20], UNREADABLE, id="the head of a JPEG"),
        pytest.param(png_header(300, 300), UNREADABLE, id="a PNG without pixels"),
        pytest.param(png_header(10_000, 10_000), TOO_LARGE, id="10,000 x 10,000"),
        pytest.param(png_header(2**31 - 1, 2**31 - 1), TOO_LARGE, id="a decompression bomb"),
        pytest.param(b"GIF89a" + bytes(40), UNREADABLE, id="another format"),
    ],
)
def test_a_bad_picture_gives_an_error_that_explains(wrapper: Any, read: Read, data: bytes, code: int) -> None:
    assert read(data).error_code == code
    assert len(wrapper.wrapperError(code)) > 20


def test_the_error_for_a_large_picture_names_the_limit(wrapper: Any) -> None:
    assert "40000000 pixels" in wrapper.wrapperError(TOO_LARGE)


def test_a_request_without_the_picture_is_an_error(wrapper: Any) -> None:
    assert wrapper.wrapperOnceExec({"sid": "1"}, DataListCls([])).error_code == MISSING


@pytest.mark.parametrize(
    "mode, file_format",
    [("L", "JPEG"), ("CMYK", "JPEG"), ("RGBA", "PNG"), ("P", "PNG"), ("RGB", "BMP")],
)
def test_every_kind_of_picture_is_read(read: Read, mode: str, file_format: str) -> None:
    assert words(read(saved(poster().convert(mode), file_format))) == GOLDEN


def test_16_bit_grey_is_read(read: Read) -> None:
    numpy = pytest.importorskip("numpy")
    grey = numpy.asarray(poster().convert("L")).astype(numpy.uint16) * 257

    assert words(read(saved(Image.fromarray(grey), "PNG"))) == GOLDEN


def test_boxes_refer_to_the_picture_turned_upright(read: Read) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    lying = saved(poster().transpose(Image.Transpose.ROTATE_90), "JPEG", exif=exif)

    result = found(read(lying))

    assert [item["text"] for item in result] == GOLDEN
    upright = found(read(PICTURE))[0]["box"]
    assert all(abs(a - b) <= 4 for a, b in zip(result[0]["box"], upright, strict=True))


WIDE = Image.new("RGB", (60, 20), "white")
XMP = b"""<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/></rdf:RDF></x:xmpmeta>"""


@pytest.fixture
def size_of(wrapper: Any) -> Callable[[bytes], tuple[int, int]]:
    """What tells width and height of a picture as its boxes refer to it."""
    decode = sys.modules["picture"].decode

    def size(data: bytes) -> tuple[int, int]:
        picture = decode(data, 10**6)
        assert picture.pixels.shape[:2] == (picture.height, picture.width)
        return picture.width, picture.height

    return size


@pytest.mark.parametrize("orientation", [0, 1, 2, 3, 4, 9, 10, 255, 65535])
@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP"])
def test_orientation_that_turns_nothing_keeps_the_size(
    size_of: Callable[[bytes], tuple[int, int]], orientation: int, file_format: str
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation

    assert size_of(saved(WIDE, file_format, exif=exif)) == (60, 20)


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP"])
def test_orientation_that_turns_a_picture_turns_its_size(
    size_of: Callable[[bytes], tuple[int, int]], orientation: int, file_format: str
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation

    assert size_of(saved(WIDE, file_format, exif=exif)) == (20, 60)


def test_a_picture_is_not_turned_by_what_browsers_do_not_look_at(
    size_of: Callable[[bytes], tuple[int, int]],
) -> None:
    png_info = PngInfo()
    png_info.add_itxt("XML:com.adobe.xmp", XMP.decode())
    exif = Image.Exif()
    exif[0x0112] = 6
    text = PngInfo()
    text.add_text("Raw profile type exif", f"\nexif\n  {len(exif.tobytes())}\n{exif.tobytes().hex()}")

    for data in (
        saved(WIDE, "JPEG", xmp=XMP),
        saved(WIDE, "WEBP", xmp=XMP),
        saved(WIDE, "PNG", pnginfo=png_info),
        saved(WIDE, "PNG", pnginfo=text),
    ):
        assert Image.open(io.BytesIO(data)).getexif().get(0x0112) == 6
        assert size_of(data) == (60, 20)


def test_boxes_refer_to_the_size_that_was_sent(read: Read) -> None:
    large = saved(poster().resize((4800, 3600)), "JPEG")

    result = found(read(large))

    assert [item["text"] for item in result] == GOLDEN
    upright = found(read(PICTURE))[0]["box"]
    assert all(abs(a - 10 * b) <= 120 for a, b in zip(result[0]["box"], upright, strict=True))


def test_a_missing_model_is_named_with_the_remedy(wrapper: Any, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"\.onnx is missing; restore it with: pip") as caught:
        type(wrapper)().wrapperInit({"models": str(tmp_path)})

    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_damaged_model_is_named_with_the_remedy(wrapper: Any, tmp_path: Path) -> None:
    models = sys.modules["models"]
    for path in models.MODELS_FOLDER.glob("*.onnx"):
        shutil.copy(path, tmp_path)
    recogniser = tmp_path / models.RECOGNISER
    recogniser.write_bytes(recogniser.read_bytes()[:100_000])

    with pytest.raises(RuntimeError, match=r"cannot be loaded .*; restore it with: pip") as caught:
        type(wrapper)().wrapperInit({"models": str(tmp_path)})

    assert str(recogniser) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "config",
    [{"max_pixels": "many"}, {"intra_op_threads": "-1"}, {"direction_classifier": "perhaps"}],
)
def test_a_bad_setting_is_named(wrapper: Any, config: dict[str, str]) -> None:
    (key,) = config

    with pytest.raises(ValueError, match=key):
        type(wrapper)().wrapperInit(config)


def test_upside_down_lines_are_read_with_the_classifier(wrapper: Any) -> None:
    turned = saved(poster().transpose(Image.Transpose.ROTATE_180), "PNG")
    reader = type(wrapper)()
    reader.wrapperInit({"direction_classifier": "true"})

    response = reader.wrapperOnceExec({"sid": "1"}, DataListCls([DataListNode("data", turned, 2)]))

    assert sorted(words(response)) == sorted(GOLDEN)
