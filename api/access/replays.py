"""Signatures that came before: whoever has seen one on its way could send it again."""

from athena.errors import CredentialsError
from athena.protocol.signature import MAX_SKEW_S

#: About 30 MB. Where more come, older dates are refused sooner than after `MAX_SKEW_S`.
MAX_REMEMBERED = 200_000


class Replays:
    """Remembers signatures for as long as their dates are accepted, each with when it came first.

    Args:
        repeat_s: how long after that the same one may come again. Clients of the original sign no body, and
            dates count seconds: all that one of them sends to a path within a second has one signature.
    """

    def __init__(self, repeat_s: float, max_remembered: int = MAX_REMEMBERED) -> None:
        self._repeat_s = repeat_s
        self._max_remembered = max_remembered
        self._by_date: dict[float, dict[bytes, float]] = {}
        self._count = 0
        #: Signatures of this date, and of earlier ones, are not remembered any more.
        self._forgotten_date_s = float("-inf")

    def admit(self, mac: bytes, date_s: float, now_s: float) -> float:
        """Lets a signature pass; returns when it came first.

        Raises:
            CredentialsError: it came before.
        """
        if date_s <= self._forgotten_date_s:
            raise CredentialsError("the signature's date is too old; sign each request when it is sent")
        of_date = self._by_date.get(date_s)
        if of_date is None:
            self._drop_before(now_s - MAX_SKEW_S)
            of_date = self._by_date[date_s] = {}
        first_s = of_date.get(mac)
        if first_s is None:
            of_date[mac] = first_s = now_s
            self._count += 1
            if self._count > self._max_remembered:
                self._forget_oldest()
        else:
            self.check(first_s, now_s)
        return first_s

    def check(self, first_s: float, now_s: float) -> None:
        """Refuses a signature that came first too long ago.

        Raises:
            CredentialsError: it came before.
        """
        if self._repeat_s <= 0 or now_s - first_s > self._repeat_s:
            raise CredentialsError("this signature came before; sign each request when it is sent")

    def _drop_before(self, date_s: float) -> None:
        # Dates of these are refused without a look here.
        for old in [known for known in self._by_date if known < date_s]:
            self._count -= len(self._by_date.pop(old))

    def _forget_oldest(self) -> None:
        oldest = min(self._by_date)
        self._count -= len(self._by_date.pop(oldest))
        self._forgotten_date_s = oldest
