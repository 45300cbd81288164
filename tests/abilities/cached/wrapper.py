"""Loads as many packages do: it fetches a model into a cache, and does not reckon with a neighbour.

Told by the environment: CACHED_FOLDER is the cache, CACHED_TOGETHER how many that find the model there wait
for each other. A file `hang` there keeps the one that takes it away from ever loading.
"""

import os
import time
from pathlib import Path

from athena.sdk import StringBodyField, WrapperBase, answer

DEADLINE_S = 30.0


class UserRequest:
    text = StringBodyField(key="text")


class UserResponse:
    text = StringBodyField(key="text")


class Wrapper(WrapperBase):
    serviceId = "cached"
    version = "1"
    requestCls = UserRequest()
    responseCls = UserResponse()

    def wrapperInit(self, config: dict[str, str]) -> int:
        folder = Path(os.environ["CACHED_FOLDER"])
        if (folder / "model").exists():
            self._wait_for_others(folder)
        else:
            self._fetch(folder)
        return 0

    def _fetch(self, folder: Path) -> None:
        # Two at once: the second one ends here, as in packages that write to a file of a fixed name.
        partial = os.open(folder / "partial", os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        try:
            (folder / f"fetched by {os.getpid()}").touch()
            if (folder / "hang").exists():
                (folder / "hang").unlink()
                (folder / "partial").unlink()
                time.sleep(600)
            time.sleep(0.3)
        finally:
            os.close(partial)
        (folder / "partial").rename(folder / "model")

    def _wait_for_others(self, folder: Path) -> None:
        (folder / f"loaded by {os.getpid()}").touch()
        deadline_s = time.monotonic() + DEADLINE_S
        while len(list(folder.glob("loaded by *"))) < int(os.environ["CACHED_TOGETHER"]):
            if time.monotonic() > deadline_s:
                raise TimeoutError("the others do not load beside this one")
            time.sleep(0.01)

    def wrapperFini(self) -> int:
        return 0

    def wrapperOnceExec(self, params: dict, reqData: object, usrTag: str = "", persId: int = 0) -> object:
        return answer(text=reqData.get("text").data)
