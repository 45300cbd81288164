"""The base class of an ability's `Wrapper`."""

import importlib
import logging
from typing import Any

from athena.sdk.data import DataListCls, Response
from athena.sdk.local_run import LocalRun, check_response
from athena.sdk.stream import SessionManager


def wrapper_document(wrapper: Any, shape: str) -> str:
    """Returns the schema document of a wrapper."""
    # Found when it is asked for: this package knows nothing of the others.
    export = importlib.import_module("athena.ability.aiges_export")
    document: str = export.document_of_wrapper(wrapper, export.Shape[shape])
    return document


class WrapperBase:
    """What an ability implements. One instance lives in each worker process of the ability.

    Attributes:
        serviceId: the ability's name in URLs and under `parameter`; `ability.toml` may override it.
        version: the ability's version, part of its long URL; `ability.toml` may override it.
        requestCls: an object whose class declares parameters and inputs as fields.
        responseCls: an object whose class declares outputs as fields.
        config: what `wrapperInit` gets when the wrapper is run alone.
        session: the handles of a wrapper with sessions.
    """

    serviceId = ""
    version = "v1"
    requestCls: Any = None
    responseCls: Any = None
    config: dict[str, str] = {}

    # Names of the original framework's gateway, which mean nothing here.
    call = ""
    sub = "ase"
    route = ""
    call_type = "0"

    # Also there where a subclass does not call our constructor.
    legacy = True
    is_aipaas = True
    keep_schema_default_value = True

    def __init__(
        self, legacy: bool = True, is_aipaas: bool = True, keep_schema_default_value: bool = True, **_: Any
    ) -> None:
        super().__init__()
        self.legacy = legacy
        self.is_aipaas = is_aipaas
        self.keep_schema_default_value = keep_schema_default_value

    @property
    def session(self) -> SessionManager:
        """Made when it is first asked for."""
        # Not in the constructor, which subclasses may not call; `setdefault` gives two threads the same one.
        manager: SessionManager = self.__dict__.setdefault("_session_manager", SessionManager())
        return manager

    @session.setter
    def session(self, manager: SessionManager) -> None:
        self.__dict__["_session_manager"] = manager

    @property
    def respData(self) -> list[Any]:
        """A list for the wrapper's own use."""
        items: list[Any] = self.__dict__.setdefault("_resp_data", [])
        return items

    @respData.setter
    def respData(self, items: list[Any]) -> None:
        self.__dict__["_resp_data"] = items

    def wrapperInit(self, config: dict[str, str]) -> int:
        """Loads what the ability needs; called once, before the worker counts as ready.

        Args:
            config: the `[config]` table of ability.toml, all values as strings.

        Returns:
            0, or the wrapper's own error code, which keeps the worker from becoming ready.
        """
        raise NotImplementedError("wrapperInit is not defined")

    def wrapperFini(self) -> int:
        """Releases what `wrapperInit` took; called once at shutdown."""
        return 0

    def wrapperOnceExec(
        self, params: dict[str, str], reqData: DataListCls, usrTag: str = "", persId: int = 0
    ) -> Response:
        """Runs one job.

        Args:
            params: the request's parameters as strings; `sid` (the job's id) is always there.
            reqData: the inputs, bytes already decoded from base64.
            usrTag: the job's id again, as older wrappers expect it.
            persId: the personalised resource, 0 without one.

        Returns:
            A Response with the outputs, or with an `error_code` of the wrapper's own.
        """
        raise NotImplementedError("wrapperOnceExec is not defined")

    def wrapperOnceExecAsync(
        self, params: dict[str, str], reqData: DataListCls, sid: str, persId: int = 0
    ) -> int:
        """Begins one job, whose result is handed in by `callback` later; used where `wrapperOnceExec` is not.

        Returns:
            0, or the wrapper's own error code.
        """
        raise NotImplementedError("wrapperOnceExecAsync is not defined")

    def wrapperError(self, ret: int) -> str:
        """Returns the text that explains the wrapper's own error code `ret` to the caller."""
        return "user error defined here" if ret == 100 else ""

    def wrapperLoadRes(self, reqData: DataListCls, resId: Any) -> int:
        """Loads a personalised resource; called when a job first names it.

        Args:
            reqData: its files, each named after its file.
            resId: what `persId` of the jobs that name it will be.
        """
        return 0

    def wrapperUnloadRes(self, resId: Any) -> int:
        """Forgets a personalised resource."""
        return 0

    def wrapperCreate(self, params: dict[str, str], sid: str, persId: int = 0, usrTag: str = "") -> Any:
        """Begins a session; returns a `SessionCreateResponse`."""
        return None

    def wrapperWrite(self, handle: str, datas: DataListCls) -> int:
        """Takes a part of a session's request."""
        return 0

    def wrapperRead(self, handle: str) -> Any:
        """Returns a part of a session's answer; not defined where results come by `callback`."""
        return []

    def wrapperDestroy(self, handle: str) -> int:
        """Ends a session."""
        return 0

    def schema(self) -> str:
        """Returns the schema document of the original framework, as JSON, as `legacy` asks for."""
        return self.schema_legacy() if self.legacy else self.schema_v2()

    def schema_legacy(self) -> str:
        """Returns the schema document in its older shape."""
        return wrapper_document(self, "LEGACY")

    def schema_v2(self) -> str:
        """Returns the schema document in its newer shape."""
        return wrapper_document(self, "V2")

    def check_resp(self, resp: Any) -> bool:
        """Returns whether a response fits what the wrapper declares; the log says what does not."""
        return check_response(self, resp)

    def run(self, stream: bool = False) -> bool:
        """Runs the wrapper alone, on the test data of its fields; returns whether its answer is right."""
        logging.basicConfig(level=logging.INFO, format="%(message)s")
        return self.run_stream() if stream else self.run_once()

    def run_once(self) -> bool:
        """Runs one job on the test data."""
        return LocalRun(self).once()

    def run_stream(self) -> bool:
        """Runs one session on the test data."""
        return LocalRun(self).stream()
