"""What a worker writes of itself in the registry."""

from dataclasses import asdict, dataclass, fields

import orjson


@dataclass(frozen=True)
class WorkerEntry:
    """What a worker writes of itself when it is ready; its model is loaded then.

    Attributes:
        gpu_id: UUID of its GPU or MIG instance; "" on the CPU.
        gpu_label: the place of the GPU on the host: "3", or "3m1" for a MIG instance.
    """

    incarnation: str
    name: str
    service_id: str
    version: str
    gpu_type: str
    slots: int
    gpu_id: str = ""
    gpu_label: str = ""
    host: str = ""

    def encode(self) -> bytes:
        """Returns the entry as JSON."""
        return orjson.dumps(asdict(self))

    @classmethod
    def decode(cls, raw: bytes) -> "WorkerEntry":
        """Reads what `encode` wrote; members of a later version are ignored.

        Raises:
            ValueError, TypeError: it was not written by a worker.
        """
        document = orjson.loads(raw)
        entry = cls(**{name: document[name] for name in cls.__dataclass_fields__ if name in document})
        for field in fields(entry):
            # Not `isinstance`, for which true is a number of slots.
            if type(getattr(entry, field.name)) is not field.type:
                raise TypeError(f"{field.name} has the wrong type")
        return entry
