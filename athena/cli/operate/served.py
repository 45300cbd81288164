"""Abilities that a command names, and nobody has ever served here."""

import difflib
import sys
from collections.abc import Iterable

from athena.cli.operate.operator import Desk
from athena.operations.queues import list_abilities


def tell_of_unserved(desk: Desk, names: Iterable[str]) -> None:
    """Tells of such names: they may be served later, and as often are mistyped."""
    known = sorted(item.service_id for item in desk.run(list_abilities()))
    for name in names:
        if name in known:
            continue
        meant = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {meant[0]}?" if meant else f"there are: {', '.join(known) or 'none'}"
        print(f"athena: no ability {name!r} was served here so far; {hint}", file=sys.stderr)
