"""Draws docs/top.svg: `python -m tests.top_picture` gives a stack work and looks as `athena top` does."""

import io
import re
import tempfile
import threading
import time
from pathlib import Path

from rich.console import Console

from athena import __version__
from athena.cli.observe.frame import draw
from athena.cli.observe.scene import Scene
from athena.operations.overview import last_troubles, read_overview
from athena.operations.steps import run_steps
from athena.store.link import BlockingLink
from tests import nvml
from tests.e2e.conftest import ECHO, FAULTY, ROOT, Stack, serving

PICTURE = ROOT / "docs" / "top.svg"

#: Between the two looks.
EVERY_S = 3.0

WIDTH = 120


def work(stack: Stack, is_over: threading.Event) -> None:
    """Sends jobs that succeed, jobs that fail, and more jobs than there are slots."""
    text = {"text": {"text": "aGk="}}
    header = {"app_id": "shop", "status": 3}
    for number in range(10**9):
        if is_over.is_set():
            return
        stack.post("/echo", {"header": header, "payload": text})
        mode = {"mode": "raise"} if number % 40 == 0 else {"seconds": 0.5}
        if number % 8 == 0:
            # Refused when its queue is full, which is what the picture shows then.
            job = {"header": header, "parameter": {"faulty": mode}, "payload": text}
            stack.post("/faulty", job, headers={"Prefer": "respond-async"})


def picture(stack: Stack) -> str:
    """Returns the picture of a stack under work, as SVG."""
    is_over = threading.Event()
    workers = [threading.Thread(target=work, args=(stack, is_over)) for _ in range(4)]
    link = BlockingLink(stack.redis_url, 5)
    scene = Scene("redis://queue.example:6379/0", __version__)
    try:
        for thread in workers:
            thread.start()
        for _ in range(4):
            time.sleep(EVERY_S)
            scene.take_in(run_steps(read_overview(), link.execute))
        scene.troubles = run_steps(last_troubles(3), link.execute)
    finally:
        is_over.set()
        for thread in workers:
            thread.join()
        link.close()
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
    console.print(draw(scene))
    # Pages that show it must not load fonts from elsewhere.
    return re.sub(r"@font-face \{.*?\}\s*", "", console.export_svg(title="athena top"), flags=re.DOTALL)


def main() -> None:
    """Writes the picture; its GPU is a stand-in's."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        fleet = folder / "fleet"
        nvml.write_fleet(fleet, nvml.t4s(2))
        environment = nvml.environment(nvml.build(folder / "library"), fleet)
        with serving(folder, ECHO, FAULTY, **environment) as stack:
            PICTURE.write_text(picture(stack), encoding="utf-8")


if __name__ == "__main__":
    main()
