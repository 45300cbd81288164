"""SIGHUP reaches what tests start, also where the tests themselves run under nohup."""

import signal


def let_children_hear_hangups() -> None:
    """Lets programs that are started from now on hear SIGHUP: one that is ignored here stays so in them.

    This process goes on ignoring it, by a handler, which no program inherits.
    """
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, lambda number, frame: None)
