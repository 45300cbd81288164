"""Pictures that the tests make: words, and what they stand on."""

import io

from PIL import Image, ImageDraw, ImageFont

#: As what it is sent.
TYPE, ENCODING = "image", "png"

WORDS = ("hello", "A1B2", "seven", "2026")


#: What stands on a page.
LINES = (
    "The parcel arrived late, and one corner",
    "of the box was open. Where can I see",
    "what I ordered in March, and who signed",
    "for it when it was brought to the door?",
)


def drawn(word: str, width: int = 160, height: int = 64) -> bytes:
    """Returns a picture of a word."""
    return _picture(word, (width, height), 32)


def page() -> bytes:
    """Returns a picture of some lines of text."""
    return _picture("\n".join(LINES * 3), (480, 400), 24)


def _picture(text: str, size: tuple[int, int], font_size: int) -> bytes:
    picture = Image.new("RGB", size, "white")
    ImageDraw.Draw(picture).text((10, 12), text, fill="black", font=ImageFont.load_default(font_size))
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()
