"""What pip says, in one sentence."""

import pytest

from athena.environments.installer import reason_of

CONFLICT = """\
Looking in links: /wheels
Processing /wheels/toy-1.0-py3-none-any.whl
ERROR: Cannot install click==7.0 and toy==1.0 because these package versions have conflicting dependencies.

The conflict is caused by:
    The user requested click==7.0
    toy 1.0 depends on click>=8

To fix this you could try to:
ERROR: ResolutionImpossible: for help visit https://pip.example
"""

VERSIONS = ", ".join(f"1.{number}" for number in range(90))

MISSING = f"""\
ERROR: Could not find a version that satisfies the requirement toy==9 (from versions: {VERSIONS})
ERROR: No matching distribution found for toy==9
"""


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (
            CONFLICT,
            "Cannot install click==7.0 and toy==1.0 because these package versions have conflicting "
            "dependencies; "
            "The user requested click==7.0; "
            "toy 1.0 depends on click>=8",
        ),
        (
            MISSING,
            "Could not find a version that satisfies the requirement toy==9 "
            "(there are: … 1.86, 1.87, 1.88, 1.89); No matching distribution found for toy==9",
        ),
        ("Collecting toy\nKilled\n", "Killed"),
        ("", "it said nothing"),
    ],
)
def test_reason_is_what_pip_concludes(said: str, reason: str) -> None:
    assert reason_of(said) == reason


def test_one_version_is_no_list() -> None:
    assert reason_of("ERROR: nothing fits x (from versions: none)") == "nothing fits x (there are: none)"
    assert reason_of("ERROR: x (from versions: 1.0, 1.1)") == "x (there are: 1.0, 1.1)"


def test_limits_of_athena_are_told_as_such() -> None:
    said = CONFLICT.replace(
        "    toy 1.0 depends on click>=8", "    The user requested (constraint) click<9,>=8"
    )

    assert reason_of(said).endswith("; The user requested click==7.0; Athena works with click<9,>=8 alone")


def test_what_pip_cannot_resolve_for_another_reason_is_told() -> None:
    assert (
        reason_of("ERROR: ResolutionImpossible: for help visit x") == "ResolutionImpossible: for help visit x"
    )
