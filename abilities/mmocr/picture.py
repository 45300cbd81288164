"""Turns the bytes of a picture file into pixels without trusting them."""

import io
import math
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from PIL import ExifTags, Image

FORMATS = ("JPEG", "PNG", "BMP", "WEBP")

#: Larger pictures are shrunk to this: more pixels cost memory and do not help reading.
WORK_PIXELS = 8_000_000
#: OpenCV cannot warp pictures with a side above 32,766.
WORK_SIDE = 16_000

UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

# Pillow's own limit warns and raises at other sizes than `max_pixels`, which `decode` checks
# before it decodes a pixel.
Image.MAX_IMAGE_PIXELS = None


class Fault(IntEnum):
    """Why a picture cannot be used; the number is the error code that the caller gets."""

    MISSING = 1
    UNREADABLE = 2
    TOO_LARGE = 3


class PictureError(Exception):
    """A picture cannot be used.

    Attributes:
        fault: why.
    """

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.name)
        self.fault = fault


@dataclass(frozen=True)
class Picture:
    """A decoded picture, turned upright as its EXIF orientation says.

    Attributes:
        pixels: height x width x 3 bytes in the order blue, green, red; possibly shrunk.
        width: of the upright picture before shrinking.
        height: of the upright picture before shrinking.
    """

    pixels: np.ndarray
    width: int
    height: int


def decode(data: bytes, max_pixels: int) -> Picture:
    """Decodes a whole JPEG, PNG, BMP or WebP file of at most `max_pixels` pixels.

    Transparent parts become white, 16-bit grey keeps its upper 8 bits.

    Raises:
        PictureError: there is no data, it is no such picture, not all of it, or too large.
    """
    if not data:
        raise PictureError(Fault.MISSING)
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            if image.width * image.height > max_pixels:
                raise PictureError(Fault.TOO_LARGE)
            return _upright(image)
    except PictureError:
        raise
    except Exception as error:  # Pillow's parsers raise whatever damaged bytes lead them to
        raise PictureError(Fault.UNREADABLE) from error


def _upright(image: Image.Image) -> Picture:
    width, height = image.size
    orientation = _orientation(image)
    rgb = _shrunk_rgb(image)
    if orientation in UPRIGHT:
        rgb = rgb.transpose(UPRIGHT[orientation])
    if orientation >= 5:
        width, height = height, width
    return Picture(np.ascontiguousarray(np.asarray(rgb)[:, :, ::-1]), width, height)


def _orientation(image: Image.Image) -> int:
    """Returns how browsers turn a picture: by its EXIF tag, if that is one of 1 to 8, and by nothing else.

    Pillow's `getexif` looks into XMP and into texts of PNG files too, which browsers do not.
    """
    try:
        if "exif" not in image.info and image.format == "PNG":
            image.load()  # the chunk may stand behind the pixels
        exif = Image.Exif()
        exif.load(image.info.get("exif", b""))
        value = exif.get(ExifTags.Base.Orientation)
    except Exception:  # damaged EXIF data says nothing about the pixels
        return 1
    return value if isinstance(value, int) and value in UPRIGHT else 1


def _shrunk_rgb(image: Image.Image) -> Image.Image:
    size = _work_size(*image.size)
    # A JPEG decoder can leave out detail while it decodes: most of a large photo's memory.
    image.draft(None, size)
    rgb = _rgb(image)
    if rgb.size != size and rgb.width >= size[0]:
        rgb.thumbnail(size)
    return rgb


def _work_size(width: int, height: int) -> tuple[int, int]:
    scale = min(1.0, math.sqrt(WORK_PIXELS / (width * height)), WORK_SIDE / max(width, height))
    return max(1, int(width * scale)), max(1, int(height * scale))


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8)).convert("RGB")
    if not image.has_transparency_data:
        return image.convert("RGB")
    layered = image.convert("RGBA")
    flat = Image.new("RGB", image.size, "white")
    flat.paste(layered, mask=layered.getchannel("A"))
    return flat
