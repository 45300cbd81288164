"""How many files and connections this process may have open."""

import logging
import resource
import sys

logger = logging.getLogger(__name__)

#: Below this, callers are turned away long before memory or processor are used up.
MANY = 16384


def allow_open_files() -> int:
    """Raises the limit as far as this process may, says so when that is not far, and returns it.

    Most systems start processes with 1024 for the sake of `select`, which cannot watch more; who does not use
    it is meant to raise the limit to the hard one.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        soft = hard
    except (OSError, ValueError) as error:
        logger.warning("cannot raise the limit of open files from %d to %d: %s", soft, hard, error)
    if soft != resource.RLIM_INFINITY and soft < MANY:
        logger.warning(
            "at most %d open files: so many connections at most, those that wait for an answer included; "
            "raise the hard limit (ulimit -Hn, LimitNOFILE= of systemd, --ulimit nofile= of docker)",
            soft,
        )
    return soft


def limits_of_open_files() -> tuple[int, int]:
    """Returns the limit of this process and the one up to which it may raise it; -1 is none."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)


def for_callers(files: int) -> int:
    """Returns how many of the open files callers may take; the rest is for the process itself."""
    if files == resource.RLIM_INFINITY:
        return sys.maxsize
    return max(files - max(64, files // 16), 1)
