"""The documents say what the code does."""

import argparse
import re
import shlex
from dataclasses import fields
from pathlib import Path

import pytest

from api.app import create_app
from api.gateway.gateway import Gateway
from athena import errors
from athena.ability import manifest as ability
from athena.cli import main, make_parser
from athena.errors import AthenaError, ConfigError
from athena.protocol.enums import JobState
from athena.protocol.interface import Limits
from athena.setting_listing import setting_table
from athena.settings import from_env
from athena.store import keys
from athena.store.scripts import SCRIPTS
from athena.telemetry.metrics import METRICS
from tests.pages.ability import may_be_0
from tests.pages.advice import ADVICE
from tests.pages.commands import EXAMPLES, arguments, commands
from tests.pages.list import PAGES
from workers.runtime import dispatcher

ROOT = Path(__file__).parents[2]
EVERY_PAGE = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/*.md")])
DESIGN_PAGES = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.glob("docs/design/*.md"))

#: Tables of ability.toml, beside the keys of `Ability` itself.
TABLES = {
    "gpu": [item.name for item in fields(ability.GpuOptions)],
    "worker": [item.name for item in fields(ability.WorkerOptions)],
    "limits": [item.name for item in fields(Limits)],
    "retry": [item.name for item in fields(ability.RetryOptions)],
    "resources": [item.name for item in fields(ability.ResourceOptions)],
}


def page(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def rows(text: str) -> list[list[str]]:
    """Returns the cells of all table rows of a page."""
    return [
        [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        for line in text.splitlines()
        if line.startswith("|")
    ]


def anchors(path: Path) -> set[str]:
    """Returns where links into a page may lead: its headings, as GitHub spells them."""
    titles = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def first_cells(text: str) -> set[str]:
    return {row[0].strip("`") for row in rows(text)}


def subclasses(cls: type[AthenaError]) -> list[type[AthenaError]]:
    """Returns the classes of athena/errors.py below `cls`; other modules may derive more."""
    found = [item for item in cls.__subclasses__() if item.__module__ == errors.__name__]
    return [*found, *(below for item in found for below in subclasses(item))]


ERRORS = subclasses(AthenaError)


@pytest.mark.parametrize("name", list(PAGES))
def test_page_is_as_the_code_is(name: str) -> None:
    assert page(name) == PAGES[name](), "run make docs"


@pytest.mark.parametrize("path", [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")], ids=lambda path: path.name)
def test_page_holds_nothing_of_a_conflict(path: Path) -> None:
    assert not re.search(r"^(<{7}|={7}|>{7})( |$)", path.read_text(encoding="utf-8"), re.MULTILINE)


def test_every_setting_is_on_the_settings_page() -> None:
    assert {row.variable for row in setting_table()} <= first_cells(page("docs/settings.md"))


def test_every_key_of_ability_toml_is_on_its_page() -> None:
    _, *sections = re.split(r"^## \[(\w+)\]$", page("docs/ability.md"), flags=re.MULTILINE)
    shown = dict(zip(sections[::2], sections[1::2], strict=True))

    for table, names in TABLES.items():
        assert set(names) <= first_cells(shown[table])
    heads = {item.name for item in fields(ability.Ability)} - TABLES.keys() - {"path"}
    assert heads <= first_cells(page("docs/ability.md"))


def test_keys_that_may_not_be_0_are_told(tmp_path: Path) -> None:
    assert not may_be_0("worker.slots", tmp_path)
    assert may_be_0("worker.max_jobs", tmp_path)


@pytest.mark.parametrize(("words", "parser"), [(words, parser) for words, _, parser in commands()])
def test_argument_of_a_command_has_a_help(words: str, parser: argparse.ArgumentParser) -> None:
    for action in arguments(parser):
        assert action.help, (words, action.dest)


@pytest.mark.parametrize(("words", "line"), EXAMPLES.items())
def test_example_of_a_command_can_be_typed(words: str, line: str) -> None:
    program, *typed = shlex.split(line)

    assert program == "athena" and " ".join(typed).startswith(words)
    assert make_parser().parse_args(typed).command == words.split()[0]


def test_name_of_the_program_alone_shows_its_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0

    shown = capsys.readouterr().out
    assert all(re.search(rf"^    {words.split()[0]}\b", shown, re.MULTILINE) for words in EXAMPLES)


def test_examples_are_of_commands_that_there_are() -> None:
    assert EXAMPLES.keys() == {words for words, _, _ in commands()}


def test_echo_shows_every_key_of_ability_toml() -> None:
    text = page("abilities/echo/ability.toml")

    for table, names in TABLES.items():
        assert f"[{table}]" in text
        for name in names:
            assert re.search(rf"^{name} = ", text, re.MULTILINE), name


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
def test_error_is_described(error: type[AthenaError]) -> None:
    text = page("docs/errors.md")
    _, _, section = text.partition(f"\n## {error.__name__}\n")

    # A ConfigError ends a process before it can answer anybody.
    facts = "" if error is ConfigError else f"HTTP {error.http_status}, code {error.code}"
    assert section.lstrip().startswith(facts)
    assert re.search(r"^- Usual cause: .+\.$\n^- What to do: .+\.$", section, re.MULTILINE)


def test_advice_is_about_errors_that_there_are() -> None:
    assert ADVICE.keys() == set(ERRORS)


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
def test_error_is_in_the_tree_of_its_module(error: type[AthenaError]) -> None:
    found = re.search(rf"─ {error.__name__} +(\d+)?(?: +(\w+))?", errors.__doc__ or "")

    assert found, error
    if error is ConfigError:
        return
    assert int(found[1]) == error.http_status
    assert re.fullmatch(found[2].replace("xx", r"\d\d"), str(error.code))


def test_codes_of_the_wrapper_stages_are_described() -> None:
    constants = {name: value for name, value in vars(dispatcher).items() if name.isupper()}
    codes = {str(value) for value in constants.values() if isinstance(value, int) and value > 10000}

    assert codes
    assert codes <= first_cells(page("docs/errors.md"))


def test_every_route_is_described() -> None:
    described = first_cells(page("docs/protocol.md"))
    app = create_app(Gateway(from_env({})))

    routes = {
        f"{method} {rule.rule}"
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert routes <= described
    assert {item for item in described if re.match("[A-Z]+ /", item)} <= routes


def test_every_job_state_is_described() -> None:
    assert {str(state) for state in JobState} <= first_cells(page("docs/protocol.md"))


def test_every_redis_key_is_in_the_table_of_keys() -> None:
    table = keys.__doc__ or ""
    sources = [Path(keys.__file__), *Path(keys.__file__).parent.glob("lua/**/*.lua")]
    assert len(sources) > len(SCRIPTS)

    for source in sources:
        code = source.read_text(encoding="utf-8").replace(table, "")
        for prefix in re.findall(r"athena:[a-z]+\b:?", code):
            assert re.search(rf"^\| `{prefix}[<`]", table, re.MULTILINE), (source.name, prefix)


def test_no_other_module_names_a_redis_key() -> None:
    rooms = ("athena", "api", "workers")
    modules = {module for room in rooms for module in ROOT.glob(f"{room}/**/*.py")}

    for module in modules - {Path(keys.__file__)}:
        assert not re.search(r"[\"'{]athena:[a-z]", module.read_text(encoding="utf-8")), module


def test_commands_in_the_pages_exist(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    known = set(re.findall(r"^    ([a-z]+)(?= |$)", capsys.readouterr().out, re.MULTILINE))
    assert "serve" in known

    text = page("docs/operations.md") + page("README.md")
    named = re.findall(r"[`/ ]athena ([a-z]+)(?=[ `])", text)
    assert {"serve", "api", "worker", "flower"} <= set(named) <= known


def test_make_targets_in_the_pages_exist() -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):.*##", page("Makefile"), re.MULTILINE))

    for path in EVERY_PAGE:
        text = path.read_text(encoding="utf-8")
        for target in re.findall(r"(?:`|^    )make ([a-z0-9-]+)", text, re.MULTILINE):
            assert target in targets, (path.name, target)


@pytest.mark.parametrize("path", EVERY_PAGE, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text(encoding="utf-8")):
        if target.startswith(("http://", "https://")):
            continue
        file, _, anchor = target.partition("#")
        linked = path.parent / file if file else path
        assert linked.exists(), target
        assert not anchor or anchor in anchors(linked), target


@pytest.mark.parametrize(
    "name",
    ["docs/architecture.md", "docs/changing.md", "docs/operations.md", *DESIGN_PAGES],
)
def test_files_that_a_page_names_exist(name: str) -> None:
    text = page(name)

    for file in re.findall(r"`((?:api|athena|workers|abilities|scripts|docs)/[\w./-]*)`", text):
        assert (ROOT / file).exists(), file
    scripts = {path.name for path in ROOT.glob("athena/store/lua/**/*.lua")}
    for script in re.findall(r"`(\w+\.lua)`", text):
        assert script in scripts


@pytest.mark.parametrize("path", EVERY_PAGE, ids=lambda path: str(path.relative_to(ROOT)))
def test_tests_that_a_page_names_exist(path: Path) -> None:
    sources = list(ROOT.glob("tests/**/*.py"))
    known = {source.name for source in sources}
    known |= {source.relative_to(ROOT).as_posix() for source in sources}
    for source in sources:
        known.update(re.findall(r"def (test_\w+)", source.read_text(encoding="utf-8")))

    named = re.findall(r"`((?:tests/[\w/]*/)?test_\w+(?:\.py)?)`", path.read_text(encoding="utf-8"))

    assert set(named) <= known


@pytest.mark.parametrize("path", EVERY_PAGE, ids=lambda path: str(path.relative_to(ROOT)))
def test_page_names_no_path_of_a_developers_machine(path: Path) -> None:
    assert not re.search(r"(?<![\w.-])/(work|tmp|home|root)\b", path.read_text(encoding="utf-8"))


def test_readme_is_short() -> None:
    assert len(page("README.md").splitlines()) <= 130


def test_every_page_is_listed() -> None:
    links = set(re.findall(r"\]\(([\w./-]+)\)", page("docs/README.md")))

    assert {path.relative_to(ROOT / "docs").as_posix() for path in ROOT.glob("docs/**/*.md")} <= links | {
        "README.md"
    }


def test_every_decision_is_listed() -> None:
    listed = re.findall(r"\]\((design/[\w./-]+#[^)]+)\)", page("docs/design.md"))
    decided = {
        f"{name.removeprefix('docs/')}#{anchor}" for name in DESIGN_PAGES for anchor in anchors(ROOT / name)
    }
    titles = {link for link in decided if link.endswith("-decisions")}

    assert set(listed) == decided - titles
    assert len(listed) == len(set(listed))


def test_words_that_the_glossary_rules_out_are_not_used() -> None:
    glossary = [row for row in rows(page("docs/glossary.md")) if len(row) == 3][2:]
    words = {row[2] for row in glossary if row[2]}
    assert {"endpoint", "tenant"} <= words
    assert [row[0] for row in glossary] == sorted((row[0] for row in glossary), key=str.lower)

    for path in EVERY_PAGE:
        if path.name in ("glossary.md", "CHANGELOG.md"):
            continue
        # Code is quoted as it is, and so are names in links.
        text = re.sub(r"```.*?```|`[^`]*`|\]\([^)]*\)", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
        for word in words:
            assert not re.search(rf"\b{re.escape(word)}s?\b", text, re.IGNORECASE), (path.name, word)


def test_both_readmes_show_the_same_client() -> None:
    english, chinese = (
        re.findall(r"^```python\n(.*?)^```", page(name), re.MULTILINE | re.DOTALL)
        for name in ("README.md", "README.zh.md")
    )

    assert english[0] == chinese[0]


def test_every_metric_is_described() -> None:
    described = {row[0].strip("`"): row for row in rows(page("docs/metrics.md"))}

    for metric in METRICS:
        assert described[metric.name][2] == ", ".join(f"`{label}`" for label in metric.labels)
        assert described[metric.name][3] == metric.help


def test_queries_on_the_metrics_page_ask_for_metrics_that_there_are() -> None:
    _, _, questions = page("docs/metrics.md").partition("## Questions")

    asked = set(re.findall(r"athena_\w+", questions))
    assert asked
    parts = {
        f"{metric.name}_{part}" for metric in METRICS if metric.buckets for part in ("bucket", "sum", "count")
    }
    assert asked <= {metric.name for metric in METRICS} | parts
