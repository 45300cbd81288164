"""Reading what others have written into Redis: what cannot be read is left out, and the rest counts."""

import logging
from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

logger = logging.getLogger(__name__)

T = TypeVar("T")

#: Entries that were complained of, by their hashes, so that a reading each second says it once.
_told: set[int] = set()

#: So many are remembered: whoever writes nonsense under ever new names must not fill our memory.
MOST_TOLD = 1000


def readable(raw: Mapping[bytes, bytes], decode: Callable[[bytes], T]) -> Iterator[tuple[str, T]]:
    """Returns the entries of a hash that can be read.

    A single bad one, from a later version or an operator's hand, must end no supervisor and no view.
    """
    for key, value in raw.items():
        try:
            entry = (key.decode(), decode(value))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            _complain(key, value, error)
            continue
        yield entry


def _complain(key: bytes, value: bytes, error: Exception) -> None:
    known_as = hash((key, value))
    if known_as in _told:
        return
    if len(_told) >= MOST_TOLD:
        _told.clear()
    _told.add(known_as)
    logger.warning("ignored: %r in the registry cannot be read: %r", key, error)
