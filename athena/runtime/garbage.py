"""When Python looks for garbage in cycles: less often than it does by itself."""

import gc

#: Containers that come and go with requests rarely form cycles; reference counts free them.
YOUNG = 20_000


def keep_what_is_loaded() -> None:
    """To be called once a process is ready: what it has loaded until now is not looked through again."""
    # Garbage that is frozen is never found.
    gc.collect()
    gc.freeze()


def look_rarely() -> None:
    """Looks for garbage after more new objects than by default, where 700 are a few requests.

    Not for workers: what a wrapper leaves in a cycle may hold much memory, of a GPU too.
    """
    gc.set_threshold(YOUNG, 20, 20)
