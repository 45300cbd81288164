"""Draws the picture of the README's request and writes it into the example of abilities/mmocr.

Run from the root of the repository: python scripts/make_picture.py
"""

import base64
import io
import json
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

ABILITY = Path(__file__).resolve().parent.parent / "abilities" / "mmocr"
SIZE = (480, 360)
BACKGROUND, FRAME, INK = "#12355b", "#f2c14e", "#ffffff"

#: Height of the letters and text of each line, from the top.
LINES = (
    (46, "ATHENA SERVING"),
    (26, "one wrapper, one API"),
    (30, "durable queue"),
    (24, "many workers share the GPUs"),
    (24, "no job is lost"),
    (20, "port 30889"),
)

REQUEST = {
    "header": {
        "app_id": "123456",
        "uid": "39769795890",
        "did": "SR082321940000200",
        "imei": "8664020318693660",
        "imsi": "4600264952729100",
        "mac": "6c:92:bf:65:c6:14",
        "net_type": "wifi",
        "net_isp": "CMCC",
        "status": 3,
        "request_id": None,
    },
    "parameter": {
        "mmocr": {
            "category": "ai_category",
            "application_mode": "common_gpu",
            "gpu_id": "first",
            "gpu_type": "T4G16",
            "boxes": {"encoding": "utf8", "compress": "raw", "format": "json"},
        }
    },
    "payload": {"data": {"encoding": "jpg", "image": "", "status": 3}},
}


def draw() -> Image.Image:
    """Returns the poster."""
    poster = Image.new("RGB", SIZE, BACKGROUND)
    pen = ImageDraw.Draw(poster)
    pen.rounded_rectangle((8, 8, SIZE[0] - 9, SIZE[1] - 9), radius=18, outline=FRAME, width=4)
    top = 30
    for height, text in LINES:
        pen.text((SIZE[0] / 2, top), text, fill=INK, font=ImageFont.load_default(height), anchor="ma")
        top += height + 24
    return poster


def as_jpeg(poster: Image.Image) -> bytes:
    """Returns the poster as a JPEG file; the same bytes each time with one version of Pillow."""
    file = io.BytesIO()
    poster.save(file, "JPEG", quality=85, optimize=True)
    return file.getvalue()


def request_with(picture: bytes) -> str:
    """Returns the README's request as JSON."""
    request = json.loads(json.dumps(REQUEST))
    request["payload"]["data"]["image"] = base64.b64encode(picture).decode()
    return json.dumps(request, indent=2) + "\n"


def main() -> None:
    """Writes the picture, the example request and the words that it shows."""
    picture = as_jpeg(draw())
    words = [word for _, text in LINES for word in text.split()]
    (ABILITY / "picture.jpg").write_bytes(picture)
    (ABILITY / "example.json").write_text(request_with(picture), encoding="utf-8")
    (ABILITY / "golden.json").write_text(json.dumps({"words": words}) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
