"""`python -m tests.dashboards.pictures`: draws docs/dashboards/, what each dashboard's queries come to.

A stack with a GPU (the stand-in), one ability that fails now and then and one that does not load, is given
work beside a real Prometheus for two minutes.
"""

import re
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from tests import nvml
from tests.dashboards.charts import Chart, Page
from tests.dashboards.drawing import Drawn, Line, draw
from tests.dashboards.pages import DASHBOARDS
from tests.e2e.conftest import ECHO, ROOT, example
from tests.e2e.observed import ObservedStack, observing, quick_monitoring
from tests.e2e.troubled import ocr_request, write_abilities
from tests.prometheus import Prometheus

FOLDER = ROOT / "docs" / "dashboards"
WORK_S, STEP_S = 120.0, 3.0

#: A picture is to be no larger.
MAX_BYTES = 100_000


def main() -> None:
    """Draws all of them."""
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="athena-pictures-") as name:
        folder = Path(name)
        fleet = folder / "fleet"
        (gpu,) = nvml.t4s(1)
        gpu.lines += ["utilization 50", "temperature 40", "power 60000 70000"]
        nvml.write_fleet(fleet, [gpu])
        environment = nvml.environment(nvml.build(folder / "library"), fleet)
        environment["ATHENA_MONITORING"] = str(quick_monitoring(folder))
        abilities = (ECHO, *write_abilities(folder, max_attempts=2, max_exec_s=5, max_queue_jobs=20))
        with observing(folder, *abilities, ATHENA_GPU_POLL_S="0.5", **environment) as stack:
            began_s = time.time()
            _work(stack)
            for page in DASHBOARDS:
                _write(page, stack.prometheus, began_s)


def _write(page: Page, prometheus: Prometheus, began_s: float) -> None:
    rows = [
        (row.title, [Drawn(chart, _lines(chart, prometheus, began_s)) for chart in row.charts])
        for row in page.rows
    ]
    text = draw(page, rows)
    assert len(text) < MAX_BYTES, page.name
    (FOLDER / f"{page.name}.svg").write_text(text, encoding="utf-8")
    print(f"drew docs/dashboards/{page.name}.svg")


def _lines(chart: Chart, prometheus: Prometheus, began_s: float) -> list[Line]:
    found = []
    for query in chart.queries:
        expression = query.expression.replace("$ability", ".*").replace("$__rate_interval", "20s")
        for series in prometheus.query_range(expression, began_s, time.time(), STEP_S):
            points = [(float(at), float(value)) for at, value in series["values"]]
            known = [(at, value) for at, value in points if value == value and abs(value) != float("inf")]
            found.append(Line(_legend(query.legend, series["metric"]), known))
    return found


def _legend(legend: str, labels: dict[str, Any]) -> str:
    return re.sub(r"\{\{(\w+)\}\}", lambda match: str(labels.get(match[1], "")), legend)


def _work(stack: ObservedStack) -> None:
    """Gives the stack work: some of it fails, some is more than it can do."""
    is_over = threading.Event()
    threads = [threading.Thread(target=_ask, args=(stack, number, is_over)) for number in range(3)]
    for thread in threads:
        thread.start()
    time.sleep(WORK_S)
    is_over.set()
    for thread in threads:
        thread.join()


def _ask(stack: ObservedStack, number: int, is_over: threading.Event) -> None:
    for count in range(10**6):
        if is_over.wait(0.2):
            return
        if number == 0:
            stack.post("/echo", example("echo"))
            continue
        mode = "raise" if count % 9 == 0 else "os_exit" if count == 100 else ""
        wants = {"Prefer": "respond-async"} if number == 1 else {}
        stack.post("/ocr", ocr_request(mode, 0.3 if number == 1 else 0.05), headers=wants)


if __name__ == "__main__":
    main()
