"""What is wrong, and its remedy."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Ailment:
    """Something that is wrong, and what to do about it."""

    what: str
    remedy: str
