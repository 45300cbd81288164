"""One picture of `athena top`: tables from overviews, as wide as the terminal."""

import math
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from athena.cli.observe.scene import Scene
from athena.devices.inventory import Gpu
from athena.fleet.gateway_report import GatewayReport
from athena.jobs.record import JobRecord
from athena.operations.overview import Overview
from athena.operations.rates import AbilityRates, ability_rates, worker_states
from athena.store.books.counts import Queue

#: Rows of a table; what is beyond is only counted.
MOST_ROWS = 30

#: Above these a number is coloured: share of memory, jobs for each slot, lateness of an event loop.
MUCH_MEMORY, MUCH_LOAD, MUCH_LAG_S = 0.8, 2.0, 0.25

MIB = 2**20

#: Cells of a row.
Row = list[str | Text]

_WAITS = ("loading", "stopping", "drain", "drained", "restart")
_STATES = {"serving": "green", **dict.fromkeys(_WAITS, "yellow")}


def draw(scene: Scene) -> RenderableType:
    """Returns the picture."""
    parts: list[RenderableType] = [_head(scene)]
    if scene.problem:
        what = f"Redis has not answered for {scene.silent_s:.0f} s; what is below is older. {scene.problem}"
        parts.append(Text(what, style="bold white on red"))
    if scene.now is not None:
        parts += [table for table in _tables(scene, scene.now) if table.row_count]
    return Group(*parts)


def _head(scene: Scene) -> Text:
    line = Text(f"athena {scene.version}  {scene.address}", style="bold")
    now = scene.now
    if now is None:
        return line
    info, limit = now.info, int(now.info.get("maxmemory", 0))
    used = int(info.get("used_memory", 0))
    clock = datetime.fromtimestamp(now.at_s).astimezone().strftime("%H:%M:%S")
    rates = ability_rates(scene.before, now) if scene.before else []
    line.append(f"  {clock}\n", style="not bold")
    line.append(f"Redis {used // MIB}", style="red" if limit and used > MUCH_MEMORY * limit else "not bold")
    line.append(f"{f' of {limit // MIB}' if limit else ''} MiB, ", style="not bold")
    line.append(f"{info.get('instantaneous_ops_per_sec', '?')} commands/s  ", style="not bold")
    gateways = sum(is_alive for _, is_alive in now.gateways)
    line.append(_counted(gateways, "gateway"), style="not bold" if gateways else "red")
    line.append(f", {_counted(len(now.workers), 'worker')}  ", style="not bold")
    line.append(f"{sum(item.done_per_s for item in rates):.1f} jobs/s", style="not bold")
    failed_per_s = sum(item.failed_per_s for item in rates)
    line.append(f", {failed_per_s:.1f} failed/s", style="red" if failed_per_s else "not bold")
    dead = _counted(now.dead_letters, "dead letter")
    line.append(f", {dead}", style="red" if now.dead_letters else "not bold")
    return line


def _tables(scene: Scene, now: Overview) -> Iterable[Table]:
    yield _abilities(ability_rates(scene.before or now, now))
    yield _queues(now)
    yield _workers(scene, now)
    yield _gateways(now)
    yield _gpus(now)
    yield _troubles(scene.troubles, now.at_s)


def _table(title: str, *columns: str) -> Table:
    """Returns a table; a column whose name begins with `>` is aligned to the right."""
    table = Table(title=f"\n{title}", title_justify="left", title_style="bold", box=None, pad_edge=False)
    for name in columns:
        # Names and reasons may be long and are folded; numbers say something only as a whole.
        if name.startswith(">"):
            table.add_column(name[1:], justify="right", no_wrap=True)
        else:
            table.add_column(name, overflow="fold")
    return table


def _fill(table: Table, rows: Sequence[Row]) -> Table:
    for row in rows[:MOST_ROWS]:
        # A text would be read as rich's markup, and names of products may hold brackets.
        table.add_row(*(Text(cell) if isinstance(cell, str) else cell for cell in row))
    if len(rows) > MOST_ROWS:
        table.add_row(f"… and {len(rows) - MOST_ROWS} more")
    return table


def _abilities(rates: Sequence[AbilityRates]) -> Table:
    table = _table(
        "Abilities",
        *("ability", ">queued", ">oldest", ">running", ">slots", ">load", ">in/s", ">done/s", ">failed/s"),
        *(">p50", ">p95", ">put off", ""),
    )
    return _fill(table, [_ability(item) for item in rates])


def _ability(item: AbilityRates) -> Row:
    load = item.load
    is_stuck = load is None and item.queued > 0
    return [
        item.service_id,
        str(item.queued),
        _seconds(item.oldest_s) if item.queued else "",
        str(item.running),
        Text(str(item.slots), style="red" if is_stuck else ""),
        Text("" if load is None else f"{load:.2f}", style="yellow" if (load or 0) > MUCH_LOAD else ""),
        f"{item.submitted_per_s:.1f}",
        f"{item.done_per_s:.1f}",
        Text(f"{item.failed_per_s:.1f}", style="red" if item.failed_per_s else ""),
        _at_most(item.typical_ms),
        _at_most(item.slow_ms),
        str(item.put_off or ""),
        Text(", ".join(_remarks(item, is_stuck)), style="yellow"),
    ]


def _remarks(item: AbilityRates, is_stuck: bool) -> Iterator[str]:
    if item.is_paused:
        yield "paused"
    elif is_stuck:
        yield "no worker"
    if item.share is not None:
        yield f"share {item.share:g}%"


def _queues(now: Overview) -> Table:
    """Shows the queues that hold something, or are to hold it back."""
    queues = [queue for survey in now.surveys for queue in survey.queues if queue.jobs or queue.is_paused]
    rows = [_queue(queue) for queue in sorted(queues, key=lambda queue: (-queue.jobs, queue.name))]
    return _fill(_table("Queues", "queue", ">jobs", ">oldest", ""), rows)


def _queue(queue: Queue) -> Row:
    oldest = _seconds(queue.oldest_s) if queue.jobs else ""
    return [queue.name, str(queue.jobs), oldest, Text("paused" if queue.is_paused else "", style="yellow")]


def _workers(scene: Scene, now: Overview) -> Table:
    rows: list[Row] = [
        [name, service_id, gpu_type, held, Text(state, style=_STATES.get(state, "red"))]
        for name, service_id, gpu_type, held, state in worker_states(now, scene.pulse)
    ]
    # What needs a look comes first, where there are many.
    rows.sort(key=lambda row: str(row[4]) == "serving")
    return _fill(_table("Workers", "worker", "ability", "type", ">jobs", "state"), rows)


def _gateways(now: Overview) -> Table:
    rows = [
        _gateway(report, is_alive)
        for report, is_alive in sorted(now.gateways, key=lambda item: item[0].address)
    ]
    columns = ("gateway", "version", "state", ">lag", ">waiting", ">connections", ">held")
    return _fill(_table("Gateways", *columns), rows)


def _gateway(report: GatewayReport, is_alive: bool) -> Row:
    state = "silent" if not is_alive else "ready" if report.is_ready else "not ready"
    return [
        report.address,
        report.version,
        Text(state, style="green" if state == "ready" else "red"),
        Text(_seconds(report.lag_s), style="yellow" if report.lag_s > MUCH_LAG_S else ""),
        str(report.waiting_callers),
        str(report.connections),
        f"{report.held_bytes // MIB} of {report.held_limit_bytes // MIB} MiB",
    ]


def _gpus(now: Overview) -> Table:
    # Several supervisors may share a host: the last word counts.
    seen = {(host.host, gpu.index): gpu for host in now.live_hosts for gpu in host.inventory.gpus}
    rows = [[host, str(index), *_gpu(seen[host, index])] for host, index in sorted(seen)]
    return _fill(_table("GPUs", "host", ">gpu", "product", ">use", ">memory", ">°C", ">W", "problem"), rows)


def _gpu(gpu: Gpu) -> Row:
    used = gpu.memory_total_mib - gpu.memory_free_mib
    return [
        gpu.product,
        "" if gpu.utilization is None else f"{gpu.utilization:.0%}",
        f"{used} of {gpu.memory_total_mib} MiB" if gpu.memory_total_mib else "",
        "" if gpu.temperature_c is None else str(gpu.temperature_c),
        "" if gpu.power_w is None else f"{gpu.power_w:.0f}",
        Text(gpu.problem, style="red"),
    ]


def _troubles(jobs: Sequence[JobRecord], at_s: float) -> Table:
    rows: list[Row] = [
        [
            f"{_seconds(max(0.0, at_s - job.finished_ms / 1000))} ago",
            job.job_id,
            job.service_id,
            Text(str(job.state), style="red"),
            str(job.code),
            # Wrappers write these: control characters would reach the terminal.
            Text("".join(char if char.isprintable() else " " for char in job.message or job.last_failure)),
        ]
        for job in jobs
    ]
    return _fill(_table("Failed last", "when", "job", "ability", "state", ">code", "why"), rows)


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" + ("" if count == 1 else "s")


def _seconds(seconds: float) -> str:
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def _at_most(limit_ms: float | None) -> str:
    if limit_ms is None:
        return ""
    return "beyond" if math.isinf(limit_ms) else f"≤{_seconds(limit_ms / 1000)}"
