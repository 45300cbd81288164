"""The base class of an ability's `Wrapper`."""

from typing import Any

from athena.sdk.data import DataListCls, Response


class WrapperBase:
    """What an ability implements. One instance lives in each worker process of the ability.

    Attributes:
        serviceId: the ability's name in URLs and under `parameter`; `ability.toml` may override it.
        version: the ability's version, part of its long URL.
        requestCls: an object whose class declares parameters and inputs as fields.
        responseCls: an object whose class declares outputs as fields.
        config: what `wrapperInit` gets when the wrapper is run alone.
    """

    serviceId = ""
    version = "v1"
    requestCls: Any = None
    responseCls: Any = None
    config: dict[str, str] = {}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

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
            persId: number of the personalised resource, 0 without one.

        Returns:
            A Response with the outputs, or with an `error_code` of the wrapper's own.
        """
        raise NotImplementedError("wrapperOnceExec is not defined")

    def wrapperError(self, ret: int) -> str:
        """Returns the text that explains the wrapper's own error code `ret` to the caller."""
        return ""
