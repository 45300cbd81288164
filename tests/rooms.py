"""The rooms of the house: what each may import, and what stands in it; docs/architecture.md shows both."""

import ast
from pathlib import Path

from tests.house import ROOT

BEGIN, END = "<!-- rooms: python -m tests.rooms writes this -->", "<!-- end of rooms -->"

PAGE = ROOT / "docs" / "architecture.md"

#: What every room may import: words without behaviour of their own; `athena` is the version.
WORDS = frozenset({"athena", "athena.errors", "athena.plain_text"})

#: Room -> the rooms that it may import, beside itself and `WORDS`. From the ground up.
ROOMS: dict[str, frozenset[str]] = {
    "athena.errors": frozenset(),
    "athena.plain_text": frozenset(),
    "athena.runtime": frozenset(),
    "athena.devices": frozenset(),
    "athena.telemetry": frozenset(),
    "athena.sdk": frozenset(),
    "athena.setting_values": frozenset(),
    "athena.settings": frozenset({"athena.devices", "athena.setting_values"}),
    "athena.setting_listing": frozenset({"athena.settings"}),
    "athena.protocol": frozenset(),
    "athena.client": frozenset({"athena.protocol"}),
    "athena.access": frozenset({"athena.protocol"}),
    "athena.jobs": frozenset({"athena.devices", "athena.protocol"}),
    "athena.ability": frozenset({"athena.devices", "athena.protocol", "athena.sdk"}),
    "athena.store": frozenset({"athena.jobs", "athena.protocol", "athena.settings"}),
    "athena.fleet": frozenset({"athena.devices", "athena.jobs", "athena.protocol", "athena.store"}),
    "athena.environments": frozenset(
        {"athena.ability", "athena.fleet", "athena.runtime", "athena.settings", "athena.telemetry"}
    ),
    "athena.probe": frozenset({"athena.fleet", "athena.settings"}),
    "athena.operations": frozenset(
        {
            "athena.access",
            "athena.fleet",
            "athena.jobs",
            "athena.protocol",
            "athena.settings",
            "athena.store",
            "athena.telemetry",
        }
    ),
    "athena.supervisor": frozenset(
        {
            "athena.ability",
            "athena.devices",
            "athena.fleet",
            "athena.operations",
            "athena.settings",
            "athena.store",
            "athena.telemetry",
        }
    ),
    "athena.compat": frozenset({"athena.ability", "athena.cli", "athena.sdk"}),
    "athena.cli": frozenset(
        {
            "athena.ability",
            "athena.access",
            "athena.client",
            "athena.devices",
            "athena.environments",
            "athena.fleet",
            "athena.jobs",
            "athena.operations",
            "athena.probe",
            "athena.protocol",
            "athena.runtime",
            "athena.sdk",
            "athena.setting_listing",
            "athena.settings",
            "athena.store",
            "athena.supervisor",
            "athena.telemetry",
        }
    ),
    "api": frozenset(
        {
            "athena.access",
            "athena.devices",
            "athena.fleet",
            "athena.jobs",
            "athena.operations",
            "athena.protocol",
            "athena.runtime",
            "athena.setting_values",
            "athena.settings",
            "athena.store",
            "athena.telemetry",
        }
    ),
    "workers": frozenset(
        {
            "athena.ability",
            "athena.compat",
            "athena.devices",
            "athena.fleet",
            "athena.jobs",
            "athena.protocol",
            "athena.runtime",
            "athena.sdk",
            "athena.settings",
            "athena.store",
            "athena.telemetry",
        }
    ),
}

#: Module -> what it may name beside what its room may, and why.
EXCEPTIONS: dict[str, dict[str, str]] = {
    "athena.supervisor.programs": {
        "api": "starts it",
        "workers": "starts it",
        "athena.devices": "starts it",
        "athena.environments": "starts it",
    },
    "athena.sdk.wrapper": {"athena.ability": "a method of the original's base class, found late"},
    "athena.__main__": {
        "athena.cli": "is the command",
        "athena.probe": "is the command without the others",
        "athena.runtime": "limits what the C library may take for names, before anything looks one up",
    },
}


def room_of(module: str) -> str:
    """Returns the room in which a module is."""
    top, *rest = module.split(".")
    return f"{top}.{rest[0]}" if top == "athena" and rest else top


def folders() -> list[Path]:
    """Returns the folders that have a face, an `__init__.py`; those that users import from aside."""
    found = (
        path.parent for top in ("athena", "api", "workers") for path in (ROOT / top).rglob("__init__.py")
    )
    open_to_users = (ROOT / "athena" / "compat", ROOT / "athena" / "sdk", ROOT / "athena" / "cli")
    return sorted(
        folder for folder in found if not any(folder.is_relative_to(other) for other in open_to_users)
    )


def face(folder: Path) -> tuple[str, dict[str, str]]:
    """Returns what a folder's `__init__.py` says of it, and of each file in it."""
    text = ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8"))) or ""
    title, _, rest = text.partition("\n")
    lines = (line.partition(": ") for line in rest.splitlines())
    return title, {name: what for name, colon, what in lines if colon and name.isidentifier()}


def inhabitants(folder: Path) -> set[str]:
    """Returns the names of a folder's modules and of its folders."""
    paths = (path for path in folder.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists())
    return {path.stem for path in paths if not path.stem.startswith("__")}


def listing() -> str:
    """Returns the rooms and what is in them, as Markdown."""
    lines: list[str] = []
    for folder in folders():
        title, files = face(folder)
        name = folder.relative_to(ROOT).as_posix()
        if files:
            lines += ["", f"`{name}/`: {title}", ""]
            lines += [f"- `{file}`: {what}" for file, what in files.items()]
    return "\n".join(lines).strip()


def imports_table() -> str:
    """Returns the rooms and what they may import, as Markdown."""
    rows = ["| room | may import |", "| --- | --- |"]
    for room, others in ROOMS.items():
        names = ", ".join(f"`{other.removeprefix('athena.')}`" for other in sorted(others))
        rows.append(f"| `{room}` | {names or 'nothing'} |")
    return "\n".join(rows)


def page() -> str:
    """Returns docs/architecture.md with the rooms as they are, between its marks."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{imports_table()}\n\n{listing()}\n\n{END}{after}"


def main() -> None:
    """Writes the rooms into docs/architecture.md."""
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
