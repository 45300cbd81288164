"""Whether what Redis knows beside the jobs' records agrees with them, after all that was broken."""

import time

from athena.operations.audit import SECOND_LOOK_S, look, look_again
from athena.operations.steps import run_steps
from athena.store.books.audit import Difference
from athena.store.link import BlockingLink

TIMEOUT_S = 10.0

#: Janitors take jobs out of lists within a minute whose records are gone, as of a Redis that went back to an
#: older state.
SETTLE_S = 90.0


def wrong_books(redis_url: str, settle_s: float = SETTLE_S) -> list[Difference]:
    """Returns what differs, also after some time in which it might have been put right."""
    until_s = time.monotonic() + settle_s
    link = BlockingLink(redis_url, TIMEOUT_S)
    try:
        found = run_steps(look(), link.execute).differences
        while found:
            time.sleep(SECOND_LOOK_S)
            found = run_steps(look_again(found, False, 0), link.execute)
            if time.monotonic() > until_s:
                break
        return found
    finally:
        link.close()
