"""Answers one request: `python -m workers.tools.run_once DIR THREADS FD`, started by `athena run`.

The request lies in shared memory as JSON (see `athena.fleet.launch.share`): `request`, an envelope, or
`fields` and `inputs` to make one of; without any of them the ability's example is answered. The answer goes
to standard output, with the envelope as `request` in it where `tells_request` asks for that.
"""

import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
import pybase64

from athena.ability.manifest import Ability, load_ability
from athena.errors import AthenaError, ConfigError
from athena.fleet.launch import read_shared
from athena.jobs.record import Outcome
from athena.protocol.enums import JobState
from athena.protocol.envelope import success_body
from athena.protocol.uploads import Upload, build_envelope
from athena.telemetry.logs import configure_logs
from workers.runtime.event_loops import event_loop
from workers.runtime.process.guards import install_guards
from workers.tools.describe import end_process, real_stdout
from workers.tools.rehearsal import Rehearsal, take_share


def answer(ability: Ability, order: dict[str, Any]) -> bytes:
    """Returns the answer as the HTTP API gives it, or `refused` with the reason why there is none."""
    with event_loop():
        return _answer(ability, order)


def _answer(ability: Ability, order: dict[str, Any]) -> bytes:
    rehearsal = Rehearsal(ability)
    try:
        rehearsal.load()
        rehearsal.inference.init()
    except ConfigError as error:
        return orjson.dumps({"refused": error.message})
    try:
        envelope = _envelope(rehearsal, order)
        rendered = _rendered(rehearsal.answer(envelope))
        if order.get("tells_request"):
            return orjson.dumps({**orjson.loads(rendered), "request": envelope})
        return rendered
    except AthenaError as error:
        problems = [{"pointer": item.pointer, "detail": item.detail} for item in error.problems]
        header = {"code": error.code, "message": error.message, "errors": problems}
        return orjson.dumps({"header": header})
    finally:
        rehearsal.inference.unload()


def _envelope(rehearsal: Rehearsal, order: dict[str, Any]) -> Any:
    interface = rehearsal.inference.interface
    uploads = [Upload(key, pybase64.b64decode(text)) for key, text in order["inputs"]]
    base = order.get("request")
    if base is None and not uploads:
        base = rehearsal.example()
        if base is None:
            raise ConfigError("name an input (--input KEY=TEXT or KEY=@FILE): there is no example.json")
    if base is None:
        base = {"header": {"app_id": "athena-run"}}
    return build_envelope(interface, order["fields"], uploads, base) if isinstance(base, dict) else base


def _rendered(outcome: Outcome) -> bytes:
    if outcome.state is JobState.SUCCEEDED:
        return success_body("", "cpu", outcome.payload, outcome.message)
    return orjson.dumps({"header": {"code": outcome.code, "message": outcome.message}})


def main(arguments: Sequence[str]) -> int:
    """Answers one request; returns the exit status."""
    order = orjson.loads(read_shared(int(arguments[2])))
    install_guards()
    # Ctrl-C ends what nobody can answer any more, without a traceback of ours.
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    configure_logs("WARNING")
    ability = load_ability(Path(arguments[0]))
    take_share(ability, int(arguments[1]))
    answers: list[bytes] = []
    with real_stdout() as descriptor:
        # Wrappers run outside the main thread in a worker, too.
        thread = threading.Thread(target=lambda: answers.append(answer(ability, order)), daemon=True)
        thread.start()
        thread.join()
        with open(descriptor, "wb", closefd=False) as output:
            output.write(b"".join(answers))
    return 0


if __name__ == "__main__":
    end_process(main(sys.argv[1:]))
