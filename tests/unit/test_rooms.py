"""The table of rooms is the rule, and the page that shows it is the tree's."""

import configparser
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.house import FILES, ROOT, ours
from tests.rooms import EXCEPTIONS, ROOMS, WORDS, face, folders, imports_table, inhabitants, listing, room_of


def package_faces() -> Iterator[Path]:
    for path in FILES.values():
        if path.name == "__init__.py":
            yield path


def forbidden(module: str, items: set[str]) -> set[str]:
    room = room_of(module)
    allowed = {room, *WORDS, *ROOMS.get(room, ()), *EXCEPTIONS.get(module, ())}
    return {item for item in items if room_of(item) not in allowed}


def test_reader_of_imports_sees_our_modules_also_in_strings() -> None:
    assert {"athena.store.lease", "api.gateway.gateway", "workers.lease.exchange"} <= FILES.keys()
    assert ours()["api.gateway.submitter"] >= {"athena.jobs.celery_message", "api.gateway.gateway"}
    assert ours()["athena.sdk.wrapper"] >= {"athena.ability.aiges_export"}
    assert ours()["workers.consumer.loop"] >= {"workers.consumer.pool", "workers.consumer.consumer"}
    assert ours()["athena.supervisor.programs"] >= {"api", "workers.tools.check"}


def test_every_module_is_in_a_room() -> None:
    assert {room_of(module) for module in FILES} - {"athena", "athena.__main__"} == ROOMS.keys()


@pytest.mark.parametrize("module", sorted(FILES))
def test_module_imports_what_its_room_may_import(module: str) -> None:
    if module == "athena":
        assert ours()[module] == set()
        return
    assert forbidden(module, ours()[module]) == set()


def test_rooms_are_in_the_order_of_their_imports() -> None:
    below: set[str] = set()
    for room, others in ROOMS.items():
        assert others <= below | ({"athena.cli"} if room == "athena.compat" else set()), room
        below.add(room)


def test_exceptions_are_needed() -> None:
    for module, rooms in EXCEPTIONS.items():
        assert {room_of(item) for item in ours()[module]} >= rooms.keys(), module


@pytest.mark.parametrize("folder", folders(), ids=lambda folder: str(folder.relative_to(ROOT)))
def test_face_of_a_folder_names_what_is_in_it(folder: Path) -> None:
    title, files = face(folder)

    assert title.endswith(".")
    if folder.parent != ROOT:
        assert files.keys() == inhabitants(folder) | ({"lua"} & files.keys())


def test_architecture_shows_the_rooms() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")

    assert imports_table() in page, "python -m tests.rooms writes it"
    assert listing() in page, "python -m tests.rooms writes it"


def test_setup_lists_every_package() -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    listed = set(setup["options"]["packages"].split())

    found = {path.parent.relative_to(ROOT).as_posix().replace("/", ".") for path in package_faces()}
    assert {name for name in listed if not name.startswith("aiges")} == found
