"""Codes of the stages of a wrapper, and what a wrapper raises that can no longer answer anybody."""

OK = 0
INIT_ERROR = 30001
USER_INIT_ERROR = 30002
USER_EXEC_ERROR = 30003


class Broken(Exception):
    """This process cannot answer any more, whatever the job: a licence is lost, a handle is gone.

    The worker runs the example. If that fails too, or there is none, this process is replaced, and the job
    runs again in a fresh one.
    """
