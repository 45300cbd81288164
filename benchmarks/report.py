"""Tables and plots of docs/performance.md out of the JSON files: `python -m benchmarks.report`.

With `--check` nothing is written; it fails where the document and the files differ.
"""

import argparse
import re
from pathlib import Path
from statistics import median

from benchmarks.drawing.plots import plots_of, plots_of_builds
from benchmarks.figures import shown
from benchmarks.harness import ROOT
from benchmarks.one_call import kept
from benchmarks.one_call.timeline import timeline
from benchmarks.ratios import PREFIX, ratio_table
from benchmarks.results import FOLDER, Load, Result, load

DOCUMENT = ROOT / "docs" / "performance.md"

#: What stands between two marks in the document is made here.
BLOCK = re.compile(r"(?s)(<!-- measured: (\w+) -->\n).*?(<!-- end -->)")

#: Medians of fewer rounds say nothing on a machine that does other things too.
ENOUGH_ROUNDS = 5

COLUMNS = {
    "wanted": "arrivals/s",
    "rate": "requests/s",
    "p50_ms": "p50 ms",
    "p99_ms": "p99 ms",
    "max_ms": "max ms",
    "cpu_us": "CPU µs/request",
    "memory_mb": "memory MB",
}

SHOWN_LOADS = {"clients": "clients", "share": "of capacity"}


def sheet(result: Result) -> str:
    """Returns a scenario's figures as Markdown: where and when, the table, and what else was measured."""
    if result.scenario.startswith(PREFIX):
        return f"{origin(result)}\n\n{ratio_table(result)}\n"
    return "\n\n".join(part for part in (origin(result), table(result), remarks(result)) if part) + "\n"


def origin(result: Result) -> str:
    """Returns one line that says what was measured where."""
    about = result.about
    machine = about.get("machine", {})
    cores = f"{machine.get('cores', '?')} cores of {machine.get('cpu', '?')}"
    if machine.get("shared_by") == "session":
        cores += " (cores shared out by session: unlike conditions, see docs/performance.md)"
    rounds = about.get("rounds", "?")
    few = ", a try: too few to tell" if rounds != "?" and rounds < ENOUGH_ROUNDS else ""
    system = f"{machine.get('memory_gb', '?')} GB, Linux {machine.get('kernel', '?')}"
    beside = f" beside {about['old_commit']}" if "old_commit" in about else ""
    return (
        f"{about.get('date', '')}, commit {about.get('commit', '')}{beside}; {cores}, {system}, "
        f"Python {machine.get('python', '?')}; medians of {rounds} rounds of "
        f"{about.get('seconds', 0):g} s{few}; `{about.get('command', '')}`"
    )


def table(result: Result) -> str:
    """Returns the medians; ratios are those within a round."""
    used = [name for name in COLUMNS if any(item.values(name) for item in result.series)]
    first = next(iter(result.series[0].load))
    heads = [SHOWN_LOADS[first], "contestant", *(COLUMNS[name] for name in used), "Athena ÷ it", "spread"]
    lines = [_row(heads), _row(["---:", "---", *["---:"] * (len(used) + 2)])]
    for at in result.loads():
        for name in result.contestants():
            if result.find(name, at):
                lines.append(_row(_cells(result, name, at, used)))
    return "\n".join(lines)


def _cells(result: Result, name: str, at: Load, used: list[str]) -> list[str]:
    series = result.find(name, at)
    assert series is not None
    mine = next(
        (one for one in result.contestants() if one.startswith("athena") and result.find(one, at)), None
    )
    is_other = mine and not name.startswith("athena") and "share" not in at
    ratio = result.ratio("rate", mine, name, at) if mine and is_other else None
    return [
        f"{next(iter(at.values())):g}",
        f"**{name}**" if name.startswith("athena") else name,
        *(shown(series.median(figure)) for figure in used),
        f"{ratio:.2f}" if ratio is not None else "",
        f"{series.spread('rate'):.0%}",
    ]


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def remarks(result: Result) -> str:
    """Returns what the table does not show."""
    lines: list[str] = []
    for series in sorted(result.series, key=lambda one: (one.contestant, *one.load.values())):
        parts = series.parts("cpu_us.")
        if len(parts) > 1 and result.scenario != "sweep":
            shares = ", ".join(f"{name} {shown(value)}" for name, value in parts.items())
            lines.append(f"* CPU µs/request of {series.contestant}, {_load(series.load)}: {shares}.")
        if floor := series.median("redis_2_trips_p50_ms"):
            pairs = zip(series.values("p50_ms"), series.values("redis_2_trips_p50_ms"), strict=True)
            over = median([mine - bare for mine, bare in pairs])
            lines.append(
                f"* Two bare Redis round trips: p50 {floor:.3f} ms; one client of Athena: {over:.3f} ms more."
            )
    lines += [f"* {name}: {value:.3g}" for name, value in result.figures.items()]
    return "\n".join(lines)


def _load(at: Load) -> str:
    return ", ".join(f"{value:g} {name}" for name, value in at.items())


def rendered(document: str, folder: Path = FOLDER) -> str:
    """Returns the document with all of its blocks made anew; one without a file stays as it is."""

    def fill(block: re.Match[str]) -> str:
        path = folder / f"{block[2]}.json"
        if block[2] == kept.FOLDER.name and (calls := kept.load_all(folder / kept.FOLDER.name)):
            return f"{block[1]}\n{kept.sheet(calls)}\n{block[3]}"
        return f"{block[1]}\n{sheet(load(path))}\n{block[3]}" if path.exists() else block[0]

    return BLOCK.sub(fill, document)


def expected(folder: Path = FOLDER) -> dict[Path, str]:
    """Returns the files that have to be there, and their content."""
    files = {DOCUMENT: rendered(DOCUMENT.read_text(), folder)}
    results = [load(path) for path in sorted(folder.glob("*.json"))]
    for plots in (*map(plots_of, results), plots_of_builds(results)):
        files |= {folder / name: text for name, text in plots.items()}
    if calls := kept.load_all(folder / kept.FOLDER.name):
        files[folder / "one-call.svg"] = timeline("The way of one call", calls)
    return files


def write_report() -> None:
    """Brings the document and the plots up to date."""
    for path, text in expected().items():
        path.write_text(text)


def stale() -> list[Path]:
    """Returns the files that are not what the JSON files say."""
    return [path for path, text in expected().items() if not path.exists() or path.read_text() != text]


def main() -> None:
    """Writes, or checks."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; fail where a file is stale")
    if not parser.parse_args().check:
        write_report()
    elif found := stale():
        raise SystemExit(f"stale, run python -m benchmarks.report: {', '.join(map(str, found))}")


if __name__ == "__main__":
    main()
