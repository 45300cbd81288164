"""When a worker process must be ended from outside, and what that means for its jobs. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from athena.fleet.progress_board import Call, Pulse

#: How far an inference call may run past its limit before its process is killed.
OVERDUE_GRACE_S = 1.0

#: A process is killed when it is found wrong twice, so far apart: it may have been stopped together with us.
SECOND_LOOK_S = 0.2

#: A worker whose loop does not turn for so long, with no call going on, hangs; idle ones turn each second.
HUNG_AFTER_S = 20.0

#: A worker with free slots that had no answer from its queues for so long, while its supervisor had, is deaf.
DEAF_AFTER_S = 20.0


@dataclass(frozen=True)
class Verdict:
    """Why a worker process is to be killed.

    Attributes:
        reason: in words, for the log and for the records of its jobs.
        blamed: the jobs in calls that went wrong.
        overran: whether these calls ran past their limit.
    """

    reason: str
    blamed: tuple[str, ...] = ()
    overran: bool = False


class Suspicion:
    """What a process was found to do wrong when it was looked at last."""

    def __init__(self) -> None:
        self._verdict: Verdict | None = None
        self._since_s = 0.0

    def confirmed(self, found: Verdict | None, now_s: float) -> Verdict | None:
        """Returns why the process is to be killed, once two looks at it say the same."""
        before = self._verdict
        if found is None or before is None or found.reason != before.reason:
            self._verdict, self._since_s = found, now_s
            return None
        return found if now_s - self._since_s >= SECOND_LOOK_S else None


def judge_calls(now_s: float, calls: Sequence[Call]) -> Verdict | None:
    """Ends a process in which calls run past their limit."""
    overdue = [call for call in calls if call.is_overdue(now_s, OVERDUE_GRACE_S)]
    if not overdue:
        return None
    blamed = tuple(job_id for call in overdue for job_id in call.job_ids)
    reason = f"a call ran longer than {overdue[0].limit_s:g} s (max_exec_s); its process was ended"
    return Verdict(reason, blamed, overran=True)


def judge_canceled(
    now_s: float, calls: Sequence[Call], canceled_s: Mapping[str, float], grace_s: float
) -> Verdict | None:
    """Ends a process in which a call goes on although all its jobs were canceled some time ago.

    Args:
        now_s: the monotonic clock.
        calls: what goes on.
        canceled_s: when it was heard that a job is canceled.
        grace_s: how long a call may go on after that.
    """
    for call in calls:
        heard = [canceled_s.get(job_id) for job_id in call.job_ids]
        if heard and all(at_s is not None and now_s - at_s > grace_s for at_s in heard):
            return Verdict("all jobs of a call were canceled, and it went on; its process was ended")
    return None


def judge_pulse(
    now_s: float, calls: Sequence[Call], pulse: Pulse, ready_s: float, in_contact_since_s: float | None
) -> Verdict | None:
    """Ends a process that hangs outside of any call, or that is cut off from its queues.

    Args:
        now_s: the monotonic clock.
        calls: what goes on; a call may hold the whole process and has a limit of its own.
        pulse: the process' signs of life.
        ready_s: when it became ready.
        in_contact_since_s: since when its supervisor reaches Redis every time; None while it does not.
    """
    # Without Redis, a loop may wait for it.
    if calls or in_contact_since_s is None:
        return None
    if now_s - max(pulse.turned_s, ready_s, in_contact_since_s) > HUNG_AFTER_S:
        return Verdict(f"its loop has not turned for {HUNG_AFTER_S:g} s; its process was ended")
    if now_s - max(pulse.contact_s, ready_s, in_contact_since_s) > DEAF_AFTER_S:
        return Verdict(
            f"it had no answer from its queues for {DEAF_AFTER_S:g} s though Redis is there; "
            "its process was ended"
        )
    return None


def cause_of_end(
    is_broken: bool, verdict: Verdict | None, has_served: bool, was_asked: bool, is_recycled: bool
) -> str:
    """Says why a worker process ended, in one of the words of `athena_worker_exits_total`."""
    if is_broken:
        return "broken"
    if verdict is not None and has_served:
        return "overran" if verdict.overran else "hung"
    if was_asked:
        return "stopped"
    if is_recycled:
        return "recycled"
    return "crashed" if has_served else "start_failed"
