"""Abilities in which troubles are made: `ocr` misbehaves on request, and `legal` does not load."""

import shutil
from pathlib import Path
from typing import Any

from tests.e2e.conftest import FAULTY

_OPTIONS = """
[gpu]
types = ["T4G16", "cpu"]

[worker]
slots = 2

[limits]
"""

_LEGAL = """
from pathlib import Path

from athena.sdk import Response, ResponseData, StringBodyField, WrapperBase


class UserRequest:
    text = StringBodyField(key="text")


class Wrapper(WrapperBase):
    requestCls = UserRequest()

    def wrapperInit(self, config):
        (Path(__file__).parent / "contracts.txt").read_text()
        return 0

    def wrapperOnceExec(self, params, reqData):
        response = Response()
        response.list = [ResponseData("text", "done")]
        return response
"""


def write_abilities(folder: Path, **limits: int) -> tuple[Path, Path]:
    """Writes `ocr`, with these limits, and `legal`, whose model is missing; returns their folders."""
    ocr, legal = folder / "ocr", folder / "legal"
    shutil.copytree(FAULTY, ocr)
    source = (FAULTY / "wrapper.py").read_text().replace('"faulty"', '"ocr"')
    (ocr / "wrapper.py").write_text(source)
    lines = "".join(f"{name} = {value}\n" for name, value in limits.items())
    (ocr / "ability.toml").write_text(_OPTIONS + lines)
    legal.mkdir()
    (legal / "wrapper.py").write_text(_LEGAL)
    return ocr, legal


def ocr_request(mode: str = "", seconds: float = 0) -> dict[str, Any]:
    """Returns a request to `ocr`."""
    return {
        "header": {"app_id": "shop", "status": 3},
        "parameter": {"ocr": {"mode": mode, "seconds": seconds}},
        "payload": {"text": {"text": "aGk="}},
    }
