"""Which failures of an ability's jobs are tried again, and when: `[retry]` of ability.toml. Pure."""

from athena.ability.manifest import RetryOptions
from athena.errors import AthenaError, WrapperError


class RetryPolicy:
    """The policy of one ability."""

    def __init__(self, options: RetryOptions) -> None:
        self._options = options
        self._errors = frozenset(options.errors)

    def delay_s(self, error: AthenaError, attempt: int) -> float | None:
        """Returns how long a job waits for its next run; None if there is none.

        Args:
            error: how its call failed.
            attempt: which run that was, from 1 on; 0 for what is no job.
        """
        options = self._options
        if not self._errors or not 0 < attempt < options.max_runs:
            return None
        # By its type: an odd exception may raise when it is asked for its `__class__`.
        if not issubclass(type(error), WrapperError) or not self._errors & error.kinds:  # type: ignore[attr-defined]
            return None
        # A sum would be too large for a float long before anybody had waited for it.
        doublings = min(attempt - 1, 60)
        return float(min(options.backoff_s * 2**doublings, options.max_backoff_s))


def kinds_of(error: BaseException) -> frozenset[str]:
    """Returns the names of an exception's class and of its bases, with their modules and without."""
    names: set[str] = set()
    for cls in type(error).__mro__:
        names.update((cls.__name__, f"{cls.__module__}.{cls.__qualname__}"))
    return frozenset(names)
