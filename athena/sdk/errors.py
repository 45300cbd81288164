"""Codes of the stages of a wrapper, and what a wrapper raises to say whose fault a failure is."""

OK = 0
INIT_ERROR = 30001
USER_INIT_ERROR = 30002
USER_EXEC_ERROR = 30003


class Broken(Exception):
    """This process cannot answer any more, whatever the job: a licence is lost, a handle is gone.

    The worker runs the example. If that fails too, or there is none, this process is replaced, and the job
    runs again in a fresh one.
    """


class InputError(Exception):
    """The caller has sent what cannot be used: the answer is HTTP 400, with this text.

    Attributes:
        text: what is wrong, as the end of a sentence that begins with the input: "holds no face".
        key: of the input; "" for the request as a whole.
    """

    def __init__(self, text: str, key: str = "") -> None:
        super().__init__(f"{key} {text}" if key else text)
        self.text = text
        self.key = key
