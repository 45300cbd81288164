"""The critical errors (XID) that NVIDIA's driver reports, whenever it does."""

import time
from typing import Any

from athena.devices.nvml import answer_or

#: Errors that a program causes and not the GPU (XIDs, as NVIDIA's catalogue numbers them).
PROGRAM_XIDS = frozenset({13, 31, 43, 45, 68, 109})

#: How many errors are taken in at once; the rest waits for the next reading.
MAX_EVENTS = 256

#: Between two answers of a driver that answers at once, with nothing.
PAUSE_S = 0.01


class CriticalErrors:
    """Hears of critical errors, as long as the driver's library is open.

    Attributes:
        xids: UUID -> the last critical error of that GPU.

    Args:
        nvml: the module `pynvml`.
    """

    def __init__(self, nvml: Any) -> None:
        self._nvml = nvml
        self._events: Any = None
        self._watched: set[str] = set()
        self.xids: dict[str, int] = {}

    def open(self) -> None:
        """Makes the driver report; does nothing if it does already."""
        if self._events is None:
            self._watched.clear()
            self._events = answer_or(None, self._nvml.nvmlEventSetCreate)

    def close(self) -> None:
        """Lets go of what the driver reports to; `open` begins anew."""
        events, self._events = self._events, None
        if events is not None:
            answer_or(None, self._nvml.nvmlEventSetFree, events)

    def watch(self, handle: Any, uuid: str) -> None:
        """Wants to hear of a GPU's errors."""
        if self._events is None or uuid in self._watched:
            return
        try:
            self._nvml.nvmlDeviceRegisterEvents(
                handle, self._nvml.nvmlEventTypeXidCriticalError, self._events
            )
        except self._nvml.NVMLError:
            return
        self._watched.add(uuid)

    def read(self) -> None:
        """Takes in what was reported since."""
        for _ in range(MAX_EVENTS):
            if not self._is_watching:
                return
            event = self._next(0)
            if event is None:
                return
            self._note(event)

    def wait(self, seconds: float) -> None:
        """Waits until a GPU reports a critical error, or the time is over."""
        end_s = time.monotonic() + seconds
        while (left_s := end_s - time.monotonic()) > 0:
            event = self._next(left_s) if self._is_watching else None
            if event is not None and self._note(event):
                return
            time.sleep(PAUSE_S if self._is_watching else left_s)

    @property
    def _is_watching(self) -> bool:
        return self._events is not None and bool(self._watched)

    def _next(self, seconds: float) -> Any:
        nvml = self._nvml
        try:
            return nvml.nvmlEventSetWait_v2(self._events, int(seconds * 1000))
        except nvml.NVMLError as error:
            if error.value != nvml.NVML_ERROR_TIMEOUT:
                # The next reading begins anew, else nothing would be heard any more.
                self.close()
            return None

    def _note(self, event: Any) -> bool:
        """Notes an error; returns whether it says something of the GPU's health."""
        nvml = self._nvml
        if event.eventType != nvml.nvmlEventTypeXidCriticalError or event.eventData in PROGRAM_XIDS:
            return False
        uuid = answer_or("", nvml.nvmlDeviceGetUUID, event.device)
        # A driver that cannot say which GPU it was may mean any of them.
        for known in [uuid] if uuid else list(self._watched):
            self.xids[known] = int(event.eventData)
        return True
