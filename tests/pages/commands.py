"""docs/cli.md: the commands, as their parser knows them."""

import argparse
from collections.abc import Iterator

from athena.cli import EX_CONFIG, make_parser
from tests.pages.markdown import code, note, sentence, table

INTRO = f"""\
# The command `athena`

`make` installs it as `.venv/bin/athena`. `athena COMMAND --help` prints what stands here. A command ends with 0, with 1
if what it looked at is wrong, with 2 for a mistake in its arguments, and with {EX_CONFIG} and one line on standard error,
beginning with `athena:`, if something is not as it must be.

What callers type (`call`, `submit`, `jobs wait`, `jobs output`, `jobs events`) asks a gateway. What operators type (`jobs`,
`dead`, `queues`, `workers`, `abilities`, `keys`, `doctor`) speaks to Redis itself and needs none; `jobs ls`, `show`, `cancel` and
`retry` ask a gateway where `--url` names one. Operators' commands have three options in common:

"""

#: What every command of operators takes.
SHARED = ("--json", "--redis", "--data")

#: Command -> one that is often typed.
EXAMPLES = {
    "serve": "athena serve --ability abilities/echo --port 8000",
    "create": "athena create words",
    "check": "athena check abilities/echo --static",
    "run": "athena run abilities/mmocr --input data=@abilities/mmocr/picture.jpg",
    "schema": "athena schema abilities/echo --format openapi",
    "install": "athena install abilities/mmocr",
    "pack": "athena pack abilities/echo --out echo.tar.gz",
    "export": "athena export abilities/mmocr --type T4G16 --type cpu --images registry.example/ai/ --scale 4",
    "bundle": "athena bundle --output athena.tar.gz --ability abilities/mmocr",
    "plan": "athena plan --ability abilities/mmocr",
    "example": "athena example echo",
    "call": "athena call mmocr --input data=@abilities/mmocr/picture.jpg",
    "submit": "athena submit echo --input text=hello --request-id order-17",
    "jobs ls": "athena jobs ls --service echo --state failed",
    "jobs show": "athena jobs show 4d70aff9d87d32a1c8805bad691d2d79",
    "jobs traces": "athena jobs traces --limit 10",
    "jobs cancel": "athena jobs cancel 4d70aff9d87d32a1c8805bad691d2d79",
    "jobs retry": "athena jobs retry 4d70aff9d87d32a1c8805bad691d2d79 --request-id again-1",
    "jobs wait": "athena jobs wait order-17 --timeout 10m",
    "jobs output": "athena jobs output order-17 -o answer.txt",
    "jobs events": "athena jobs events order-17",
    "dead ls": "athena dead ls",
    "dead show": "athena dead show 4d70aff9d87d32a1c8805bad691d2d79",
    "dead requeue": "athena dead requeue 4d70aff9d87d32a1c8805bad691d2d79",
    "dead drop": "athena dead drop 4d70aff9d87d32a1c8805bad691d2d79",
    "queues ls": "athena queues ls",
    "queues pause": "athena queues pause echo",
    "queues resume": "athena queues resume echo",
    "queues purge": "athena queues purge echo.any",
    "workers": "athena workers --ability abilities/mmocr --redis redis://queue.example:6379/0",
    "workers ls": "athena workers ls",
    "workers drain": "athena workers drain echo.cpu.0@myhost",
    "workers restart": "athena workers restart echo.cpu.0@myhost --wait",
    "workers scale": "athena workers scale echo 3",
    "abilities ls": "athena abilities ls",
    "abilities rm": "athena abilities rm echo",
    "abilities share": "athena abilities share echo v2=5% --app partner=v2",
    "abilities rollback": "athena abilities rollback echo",
    "backup": "athena backup athena.tar.gz",
    "restore": "athena restore athena.tar.gz --data new",
    "keys ls": "athena keys ls",
    "keys create": "athena keys create shop --ability mmocr --days 90",
    "keys scope": "athena keys scope shop --role viewer",
    "keys rotate": "athena keys rotate shop --overlap 1",
    "keys revoke": "athena keys revoke shop",
    "quotas ls": "athena quotas ls",
    "quotas set": "athena quotas set shop --requests-per-s 20 --jobs 100",
    "quotas rm": "athena quotas rm shop",
    "probe": "athena probe --ready",
    "usage": "athena usage --days 7",
    "audit": "athena audit --verify",
    "logs": "athena logs --ability echo --level warning --since 2h",
    "doctor": "athena doctor --audit",
    "config": "athena config --changed --ability abilities/mmocr",
    "top": "athena top --every 5",
    "api": "athena api --redis redis://queue.example:6379/0 --host 0.0.0.0",
    "worker": "athena worker abilities/echo --redis redis://queue.example:6379/0",
    "completion": "athena completion bash",
    "flower": "athena flower --redis redis://queue.example:6379/0",
}


def commands() -> Iterator[tuple[str, str, argparse.ArgumentParser]]:
    """Yields each command that can be typed: its words after `athena`, its help, its parser."""
    yield from _below("", "", make_parser())


def _below(
    words: str, text: str, parser: argparse.ArgumentParser
) -> Iterator[tuple[str, str, argparse.ArgumentParser]]:
    group = _group(parser)
    if words and (group is None or not group.required):
        yield words, text, parser
    if group is not None:
        helps = {action.dest: action.help or "" for action in group._choices_actions}
        for name, child in group.choices.items():
            yield from _below(f"{words} {name}".strip(), helps.get(name, ""), child)


def _group(parser: argparse.ArgumentParser) -> "argparse._SubParsersAction[argparse.ArgumentParser] | None":
    return next((item for item in parser._actions if isinstance(item, argparse._SubParsersAction)), None)


def arguments(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    """Returns what a command takes, `--help` and its verbs aside."""
    kinds = (argparse._HelpAction, argparse._SubParsersAction, argparse._VersionAction)
    return [action for action in parser._actions if not isinstance(action, kinds)]


def render() -> str:
    """Returns the page."""
    found = list(commands())
    missing = [words for words, _, _ in found if words not in EXAMPLES]
    if missing:
        raise LookupError(f"show in EXAMPLES of tests/pages/commands.py what is typed: {', '.join(missing)}")
    operators = next(parser for words, _, parser in found if words == "jobs ls")
    shared = [action for action in arguments(operators) if _name(action) in SHARED]
    index = ((f"[`athena {words}`](#athena-{words.replace(' ', '-')})", text) for words, text, _ in found)
    return "\n".join(
        [
            note("athena/cli"),
            INTRO + _table(shared),
            table(("command", "does"), index),
            *(_section(*item) for item in found),
        ]
    )


def _section(words: str, text: str, parser: argparse.ArgumentParser) -> str:
    about = sentence(parser.description or text)
    lines = [f"## athena {words}", about, f"    {EXAMPLES[words]}"]
    actions = arguments(parser)
    if {_name(action) for action in actions} >= set(SHARED):
        own = [action for action in actions if _name(action) not in SHARED]
        lines.append(_table(own).rstrip() if own else "It takes the common options alone.")
    elif actions:
        lines.append(_table(actions).rstrip())
    return "\n\n".join(line for line in lines if line) + "\n"


def _table(actions: list[argparse.Action]) -> str:
    return table(("argument", "meaning"), ((code(_shown(item)), _meaning(item)) for item in actions))


def _name(action: argparse.Action) -> str:
    return action.option_strings[-1] if action.option_strings else action.dest


def _shown(action: argparse.Action) -> str:
    metavar = str(action.metavar or action.dest.upper())
    if not action.option_strings:
        return f"{metavar} …" if action.nargs == "+" else metavar
    return _name(action) if action.nargs == 0 else f"{_name(action)} {metavar}"


def _meaning(action: argparse.Action) -> str:
    text = action.help or ""
    if action.choices is not None:
        text += f"; one of {', '.join(code(str(choice)) for choice in action.choices)}"
    return text
