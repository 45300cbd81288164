"""How many jobs a worker may hold. Pure.

Jobs of the high lane have slots of their own beyond the others', so that a worker which holds its next batch
already can take them. They fill those first: a flood of high jobs must not shut the other lanes out.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Slots:
    """The places of one worker.

    Attributes:
        shared: for jobs of any lane.
        urgent: for jobs of the high lane alone.
    """

    shared: int
    urgent: int

    def free(self, held: int, held_urgent: int) -> int:
        """Returns how many jobs of any lane may be taken by who holds so many, so many of them urgent."""
        return self.shared - held + min(self.urgent, held_urgent)

    def free_urgent(self, held: int) -> int:
        """Returns how many jobs of the high lane may be taken."""
        return self.shared + self.urgent - held
