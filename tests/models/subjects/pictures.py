"""Pictures that the tests make: words, and what they stand on."""

import io

from PIL import Image, ImageDraw, ImageFont

WORDS = ("hello", "A1B2", "seven", "2026")


def drawn(word: str, width: int = 160, height: int = 64) -> bytes:
    """Returns a picture of a word."""
    picture = Image.new("RGB", (width, height), "white")
    ImageDraw.Draw(picture).text((10, 12), word, fill="black", font=ImageFont.load_default(32))
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()
