"""Turns sentences into vectors: wordllama, which takes the sentences of all jobs in one run.

A short sentence is filled up beside a long one there, and masked, so that its vector stays its own; `athena
check` compares each with the one that it gets alone.
"""

from pathlib import Path

import wordllama
from wordllama import WordLlama

from athena.sdk import DataListCls, InputError, JsonBodyField, Response, StringBodyField, WrapperBase, answer


class UserRequest:
    """What the caller sends."""

    text = StringBodyField(key="text", value=b"A queue keeps work until a worker takes it.")


class UserResponse:
    """What the caller gets: 256 numbers of length 1, whose products say how near two sentences are."""

    accept_vector = JsonBodyField(key="vector")


class Wrapper(WrapperBase):
    """Asks the model for all texts at once."""

    serviceId = "vectors"
    version = "v1"
    requestCls = UserRequest()
    responseCls = UserResponse()

    def wrapperInit(self, config: dict[str, str]) -> int:
        # All it needs lies in the package; by itself it would look for more in the network.
        self.model = WordLlama.load(cache_dir=Path(wordllama.__file__).parent, disable_download=True)
        return 0

    def wrapperOnceExec(
        self, params: dict[str, str], reqData: DataListCls, usrTag: str = "", persId: int = 0
    ) -> Response:
        (found,) = self.wrapperBatchExec([params], [reqData])
        if isinstance(found, BaseException):
            raise found
        return found

    def wrapperBatchExec(
        self, params_list: list[dict[str, str]], req_list: list[DataListCls]
    ) -> list[Response | BaseException]:
        """Answers several jobs; a text that cannot be used fails alone."""
        found: list = []
        for inputs in req_list:
            try:
                found.append(text_of(inputs))
            except InputError as error:
                found.append(error)
        texts = [item for item in found if isinstance(item, str)]
        vectors = iter(self.model.embed(texts, norm=True) if texts else ())
        return [answer(vector=next(vectors)) if isinstance(item, str) else item for item in found]


def text_of(inputs: DataListCls) -> str:
    """Returns the text of a request.

    Raises:
        InputError: there is none.
    """
    node = inputs.get("text")
    text = node.data.decode(errors="replace").strip() if node else ""
    if not text:
        raise InputError("holds no words", "text")
    return text
