"""`athena audit`: what operators have done."""

from datetime import UTC, datetime

from athena.cli.operate.operator import Desk, Subparsers, add_verb, print_table
from athena.operations.trail import list_acts, verify_trail


def add_commands(commands: Subparsers) -> None:
    """Adds the command."""
    text = "what operators have done, the newest first"
    parser = add_verb(commands, "audit", text, show)
    parser.add_argument("--limit", type=int, default=50, help="how many entries (default 50)")
    parser.add_argument(
        "--verify", action="store_true", help="check instead whether an entry was changed or taken out"
    )


def show(desk: Desk) -> int:
    """Lists entries, or checks their chain; the exit status of a broken one is 1."""
    if desk.options.verify:
        return _verify(desk)
    acts = desk.run(list_acts(max(1, desk.options.limit)))

    def table() -> None:
        rows = (
            (
                datetime.fromtimestamp(act["at_ms"] / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S"),
                act["actor"],
                act["origin"],
                act["action"],
                act["target"],
                act["outcome"],
            )
            for act in acts
        )
        print_table(("WHEN (UTC)", "WHO", "FROM", "WHAT", "OF", "OUTCOME"), rows)

    desk.show({"acts": acts}, table)
    return 0


def _verify(desk: Desk) -> int:
    wrong = desk.run(verify_trail())

    def table() -> None:
        print("\n".join(f"{entry_id} does not fit what is before it" for entry_id in wrong) or "whole")

    desk.show({"misfits": wrong}, table)
    return 1 if wrong else 0
