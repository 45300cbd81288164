"""Operations that are run over a connection where a list of commands is one round trip."""

from collections.abc import Sequence
from typing import Any

import pytest
from redis.exceptions import ResponseError

from athena.operations.steps import Attempt, Steps, run_steps_together
from athena.store.scripts import Command

REFUSED = ResponseError("NOREPLICAS")


def operation(refused: Command | Attempt) -> Steps[list[Any]]:
    """One command, then two that do not need each other."""
    first = yield ("GET", "a")
    rest = yield [("GET", "b"), refused]
    return [first, *rest]


class Connection:
    """Remembers what travelled together."""

    def __init__(self) -> None:
        self.journeys: list[list[Command]] = []

    def run(self, commands: Sequence[Command]) -> list[Any]:
        """Refuses writes."""
        self.journeys.append(list(commands))
        return [REFUSED if name == "SET" else key for name, key, *_ in commands]


def test_list_is_one_journey_and_a_refused_attempt_is_an_answer() -> None:
    connection = Connection()

    found = run_steps_together(operation(Attempt(("SET", "c", 1))), connection.run)

    assert found == ["a", "b", REFUSED]
    assert connection.journeys == [[("GET", "a")], [("GET", "b"), ("SET", "c", 1)]]


def test_refusal_that_nobody_reckons_with_ends_the_operation() -> None:
    with pytest.raises(ResponseError, match="NOREPLICAS"):
        run_steps_together(operation(("SET", "c", 1)), Connection().run)
