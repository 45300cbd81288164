"""Ordinary pictures, made here: right pixels, or a refusal that names what is wrong."""

import io
from typing import Any

import numpy as np
import pytest

from athena.sdk import DataListNode, InputError, picture

Image = pytest.importorskip("PIL.Image")

#: EXIF: lies on its left side.
ORIENTATION, ON_ITS_SIDE = 0x0112, 6


def flag(mode: str = "RGB") -> Any:
    """Returns a picture that is red above and blue below."""
    image = Image.new("RGB", (16, 8), "blue")
    image.paste((255, 0, 0), (0, 0, 16, 4))
    return image.convert(mode)


def file_of(image: Any, form: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def turned() -> bytes:
    exif = Image.Exif()
    exif[ORIENTATION] = ON_ITS_SIDE
    # As a camera that was held upright stores it.
    return file_of(flag().rotate(90, expand=True), "JPEG", exif=exif, quality=95, subsampling=0)


FILES = {
    "png": file_of(flag(), "PNG"),
    "palette": file_of(flag("P"), "PNG"),
    "jpeg": file_of(flag(), "JPEG", quality=95, subsampling=0),
    "jpeg of a printer": file_of(flag("CMYK"), "JPEG", quality=95, subsampling=0),
    "webp": file_of(flag(), "WEBP", lossless=True),
    "gif": file_of(flag(), "GIF"),
    "bmp": file_of(flag(), "BMP"),
    "tiff": file_of(flag(), "TIFF"),
    "opaque": file_of(flag("RGBA"), "PNG"),
    "turned": turned(),
    "film": file_of(flag(), "GIF", save_all=True, append_images=[Image.new("RGB", (16, 8))]),
}


@pytest.mark.parametrize("name", FILES)
def test_ordinary_pictures_have_their_pixels(name: str) -> None:
    found = picture(DataListNode("image", FILES[name], 2))

    assert (found.mode, found.size) == ("RGB", (16, 8))
    assert np.abs(np.asarray(found, int) - np.asarray(flag(), int)).max() <= 60
    pixels = np.asarray(found)
    assert pixels[1, 2, 0] > 200
    assert pixels[6, 2, 2] > 200


def test_what_is_transparent_becomes_white_unless_it_may_stay() -> None:
    clear = file_of(Image.new("RGBA", (2, 2), (255, 0, 0, 0)), "PNG")

    assert picture(clear).getpixel((0, 0)) == (255, 255, 255)
    assert picture(clear, "L").getpixel((0, 0)) == 255
    assert picture(clear, "RGBA").getpixel((0, 0)) == (255, 0, 0, 0)


def test_deep_pixels_become_eight_bits_by_their_share() -> None:
    deep = Image.fromarray(np.array([[0, 257 * 100], [257 * 200, 65535]], np.uint16))

    assert np.asarray(picture(file_of(deep, "PNG"), "L")).tolist() == [[0, 100], [200, 255]]


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "image holds no picture"),
        (b"hello, I am a text", "image is no whole picture that can be read"),
        (FILES["jpeg"][: len(FILES["jpeg"]) // 2], "image is no whole picture"),
        (file_of(Image.effect_noise((64, 64), 50), "PNG")[:900], "image is no whole picture"),
        (file_of(Image.new("L", (101, 100)), "PNG"), "image has 101 x 100 pixels, more than 10000"),
        (file_of(Image.new("F", (2, 2)), "TIFF"), "image has pixels that are fractions"),
        (file_of(Image.new("L", (2, 2)), "PPM"), "image is no whole picture"),
    ],
)
def test_what_cannot_be_read_is_refused_in_words(data: bytes, text: str) -> None:
    with pytest.raises(InputError) as caught:
        picture(DataListNode("image", data, 2), max_pixels=10_000)

    assert text in str(caught.value)
    assert caught.value.key == "image"
