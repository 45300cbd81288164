"""What must hold in every history: each rule returns a sentence for each place where it does not.

A rule knows nothing of Athena's code: it compares what callers were told, what the ability wrote down and
what was left in the end with `docs/reliability.md`.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any

from tests.chaos.story import FINAL, ON_ITS_WAY_S, Job, Run, Seen, Story

Rule = Callable[[Story], Iterator[str]]

#: What a caller may be told beside the end of his job: it goes on, or he is to come again. 0 stands for a
#: connection that broke.
STATUSES = frozenset({0, 200, 202, 429, 503, 504})

#: Those who ask for a job by its name may also be told that there is none, or that it stands otherwise.
STATUSES_OF_NAMED = STATUSES | {404, 409, 410}

#: Who was frozen or cut off hears only after a while that it was shut out, and has begun another run by then.
HEARS_LATE_S = 10.0

#: Keys that outlive the jobs, and have no TTL (the table in `athena/store/keys.py`).
LASTING = re.compile(
    r"athena:counts:.*|athena:(queues|line|load|tally|kept|ended|app_ended):.+"
    r"|athena:(dead|workers|beats|gateways|orders|hosts|failures|abilities|forgotten|apps|trail)"
    r"|athena:(quotas|accounts|account:.+)"
    r"|_kombu\.binding.+"
)

#: Those of jobs that are open, held or queued.
OPEN = re.compile(r"athena:(open|app_open|inflight|payload|canceled):.+|athena:bell:.+|[^:]+\.[^:]+")


def ends_once(story: Story) -> Iterator[str]:
    """An accepted job reaches a final state, within its time."""
    for job in _named(story):
        accepted = job.accepted
        if accepted is None or job.end is None:
            continue
        state = job.end["state"]
        if state == "unknown":
            if not any(story.is_excused(seen.sent_s, seen.heard_s) for seen in job.seen if seen.job_id):
                yield f"{job.name}: accepted at {accepted.heard_s:.3f}, unknown in the end"
        elif state not in FINAL:
            yield f"{job.name}: accepted at {accepted.heard_s:.3f}, {state} in the end"
        elif job.end.get("took_s", 0) > _within_s(story, accepted):
            yield f"{job.name}: ended {job.end['took_s']:.1f} s after it was accepted"


def _within_s(story: Story, accepted: Seen) -> float:
    """Returns how long a job may take by Redis' clock, which faults may have stepped."""
    within_s: float = story.settings["within_s"]
    return within_s + story.wrong_by_s(accepted.sent_s, within_s)


def ends_are_recorded(story: Story) -> Iterator[str]:
    """Each accepted job's record was looked at in the end."""
    for job in _named(story):
        if job.accepted is not None and job.end is None:
            yield f"{job.name}: accepted, and nobody looked at its end"


def final_states_stay(story: Story) -> Iterator[str]:
    """A final state or a result once seen never changes, and is never taken back."""
    for job in story.jobs.values():
        told = [seen for seen in job.seen if seen.state and _counts(story, seen)]
        ends = [(seen.job_id, seen.state, seen.result) for seen in told if seen.is_final]
        if job.end is not None and job.end["state"] in FINAL:
            ends.append((job.end["id"], job.end["state"], job.end.get("result", "")))
        for (first, state, result), (second, other_state, other) in pairwise(ends):
            if first == second and (state != other_state or (result and other and result != other)):
                yield f"{job.name}: {state} {result}, then {other_state} {other}"
        yield from _taken_back(job, told)


def _taken_back(job: Job, told: list[Seen]) -> Iterator[str]:
    """Looks for a question that was asked after the end was told, and answered as if there were none."""
    ended: dict[str, Seen] = {}
    for seen in told:
        earlier = ended.get(seen.job_id)
        if not seen.is_final and earlier is not None and seen.sent_s > earlier.heard_s:
            yield f"{job.name}: {earlier.state}, then {seen.state}"
        if seen.is_final:
            ended.setdefault(seen.job_id, seen)


def known_until_their_time(story: Story) -> Iterator[str]:
    """A job that was accepted is found until its time to live is over."""
    ttl_s = story.settings["record_ttl_s"]
    for job in _named(story):
        named = [seen for seen in job.seen if seen.job_id and _counts(story, seen)]
        for seen in job.seen:
            known = [one for one in named if one.heard_s < seen.sent_s]
            if seen.status != 404 or not known or seen.heard_s > known[-1].sent_s + ttl_s:
                continue
            yield f"{job.name}: known at {known[-1].heard_s:.3f}, not found at {seen.sent_s:.3f}"


def results_fit_inputs(story: Story) -> Iterator[str]:
    """A result is that of a run of this job, made from this job's input."""
    for job in story.jobs.values():
        results = {seen.result for seen in job.seen if seen.result}
        if job.end is not None and job.end.get("result"):
            results.add(job.end["result"])
        runs = {run.run for run in story.jobs[job.retries].runs} if job.retries in story.jobs else set()
        runs |= {run.run for run in job.runs}
        for result in results:
            run, _, digest = result.partition(".")
            if job.digest and digest != job.digest:
                yield f"{job.name}: the result {result} is that of another input"
            elif run not in runs:
                yield f"{job.name}: the result {result} is of no run of it"


def runs_have_reasons(story: Story) -> Iterator[str]:
    """A job runs once, and once more for each death or give-back of a worker that ran it."""
    for job in story.jobs.values():
        again = len(story.retried.get(job.name, ()))
        if not job.is_named:
            # Each of its requests may have made a job of its own.
            again += len(job.seen) + len(job.hung) - 1
        for first, second in pairwise(job.runs):
            is_explained = (
                first.ended_s is None
                or story.is_given_back(first)
                or story.is_untold(first, second.began_s)
                or story.is_severed(first.pid, first.began_s, second.began_s)
                # He who was shut out may begin what he held when another has long done it.
                or story.is_severed(second.pid, second.began_s - HEARS_LATE_S, second.began_s)
                or story.is_excused(first.began_s, second.began_s)
            )
            if is_explained:
                continue
            if again:
                again -= 1
                continue
            yield f"{job.name}: run {second.run} at {second.began_s:.3f}, though {first.run} had ended well"


def nothing_runs_after_its_end(story: Story) -> Iterator[str]:
    """A job whose end was told (canceled, expired, any other) is not begun any more."""
    for job in story.jobs.values():
        ends = [seen for seen in job.seen if seen.is_final and _counts(story, seen)]
        if not ends or job.name in story.retried or not job.is_named:
            continue
        told = ends[0]
        for run in job.runs:
            if run.began_s <= told.heard_s + story.settings["heeded_s"]:
                continue
            if not story.is_severed(run.pid, run.began_s - HEARS_LATE_S, run.began_s):
                yield f"{job.name}: {told.state} at {told.heard_s:.3f}, begun at {run.began_s:.3f}"


def ends_are_wanted(story: Story) -> Iterator[str]:
    """A job ends as its caller wants, or is poisoned by as many deaths as it may have."""
    for job in story.jobs.values():
        states = {seen.state for seen in job.seen if seen.is_final}
        if job.end is not None and job.end["state"] in FINAL:
            states.add(job.end["state"])
        for state in sorted(states - job.may):
            if state != "poisoned" or _deaths_under(story, job) < story.settings["max_attempts"]:
                yield f"{job.name}: {state}, but may only be {' or '.join(sorted(job.may))}"


def _deaths_under(story: Story, job: Job) -> int:
    """Returns how many deaths of workers a job may have been charged with."""
    # A worker whose host is cut off counts as dead, though its run comes to an end.
    runs = _runs_of(story, job)
    cut_short = [
        run for run in runs if run.ended_s is None or story.is_severed(run.pid, run.began_s, run.ended_s)
    ]
    if job.end is None:
        return len(cut_short)
    # A job that one death is held against counts as begun when it is taken: if its next worker dies before it
    # writes anything down, only the fault tells of it. So it is where Redis has lost that a run had ended.
    begun_s = [run.began_s for run in runs if run in cut_short or _is_end_lost(story, run)]
    if not begun_s:
        return 0
    from_s = min(begun_s)
    until_s = from_s + job.end["took_s"]
    unseen = story.severing(from_s, until_s + story.wrong_by_s(from_s, until_s - from_s))
    return len(cut_short) + sum(
        not any(span.overlaps(run.began_s, run.ended_s or run.began_s) for run in cut_short)
        for span in unseen
    )


def _is_end_lost(story: Story, run: Run) -> bool:
    return run.ended_s is not None and story.is_excused(run.ended_s, run.ended_s + ON_ITS_WAY_S)


def _runs_of(story: Story, job: Job) -> Sequence[Run]:
    """Returns a job's runs; those of a retry are written down under the name of the job it repeats."""
    first = story.jobs.get(job.retries)
    if first is None:
        return job.runs
    return [run for run in first.runs if job.seen and run.began_s >= job.seen[0].sent_s]


def attempts_are_runs(story: Story) -> Iterator[str]:
    """A worker that only held a job has not attempted it, though one that runs alone is noted at its take."""
    # An Athena of another version may count otherwise.
    if any("another version" in span.fault for span in story.spans):
        return
    for job in _named(story):
        if job.end is None or job.end["state"] != "succeeded" or not job.seen:
            continue
        attempts, deaths, runs = job.end.get("attempts", 0), job.end.get("deaths", 0), _runs_of(story, job)
        deadly = [run for run in runs if run.ended_s is None]
        # A worker may die before it writes down what it has begun, or count as dead while its run goes on.
        if attempts <= len(runs) + max(0, deaths - len(deadly)) or not 1 <= len(deadly) <= deaths:
            continue
        sent_s, alone_s = job.seen[0].sent_s, deadly[0].began_s
        # Before its first death it had company: a call that outlasts its worker's grace counts for all of its
        # jobs, and the last of them may not have had their turn.
        had_company = any(span.stops and span.overlaps(sent_s, alone_s) for span in story.spans)
        if not had_company and not story.is_excused(sent_s, float("inf")):
            yield f"{job.name}: {attempts} attempts and {deaths} deaths are counted, of {len(runs)} runs"


def calls_are_answered(story: Story) -> Iterator[str]:
    """Each request is answered in time, and with a status that its caller can make use of."""
    for job in story.jobs.values():
        for do, at_s in job.hung:
            yield f"{job.name}: {do} at {at_s:.3f} was never answered"
        for seen in job.seen:
            # Whoever publishes a task is answered by nobody: the harness looks whether a worker has found it.
            if seen.do != "send" and seen.heard_s - seen.sent_s > story.settings["patience_s"]:
                yield f"{job.name}: {seen.do} at {seen.sent_s:.3f} took {seen.heard_s - seen.sent_s:.1f} s"
            allowed = STATUSES if seen.do == "run" else STATUSES_OF_NAMED
            if seen.status not in allowed and not seen.is_final:
                yield f"{job.name}: {seen.do} at {seen.sent_s:.3f} was answered with {seen.status}"


def calls_are_prompt_when_all_is_well(story: Story) -> Iterator[str]:
    """While nothing is broken nobody waits long: a job that nobody is woken for is found only later."""
    calm_s = story.settings["calm_s"]
    for job in story.jobs.values():
        for seen in job.seen:
            took_s = seen.heard_s - seen.sent_s
            if took_s <= calm_s:
                continue
            if not any(span.overlaps(seen.sent_s - calm_s, seen.heard_s) for span in story.spans):
                yield f"{job.name}: {seen.do} at {seen.sent_s:.3f} took {took_s:.1f} s, with nothing broken"


def names_mean_one_job(story: Story) -> Iterator[str]:
    """A request_id that is sent again leads to the same job, through every gateway."""
    for job in _named(story):
        told = [seen for seen in job.seen if seen.job_id]
        for first, second in pairwise(told):
            if first.job_id == second.job_id:
                continue
            if not story.is_excused(first.sent_s, first.heard_s):
                yield f"{job.name}: is {first.job_id}, then {second.job_id}"


def all_serve_in_the_end(story: Story) -> Iterator[str]:
    """After the last fault every gateway answers for every ability, and every worker runs jobs."""
    if story.snapshot is None:
        yield "the history has no snapshot: the run did not come to its end"
        return
    well = {(probe["to"], probe["service"]) for probe in story.probes if probe["status"] == 200}
    for to in story.settings["gateways"]:
        for service in story.settings["services"]:
            if (to, service) not in well:
                yield f"{to}: does not answer for {service} after the last fault"
    busy = {run.pid for job in story.jobs.values() for run in job.runs if run.began_s > story.last_mended_s}
    for pid in story.snapshot["pids"]:
        if pid not in busy:
            yield f"worker {pid}: ran nothing after the last fault"
    if story.snapshot["idle_slots"]:
        yield f"{story.snapshot['idle_slots']} slots took no job after the last fault"


def books_are_closed(story: Story) -> Iterator[str]:
    """When no job is open, no slot, quota, list or byte is taken, and no key without a TTL is left of any."""
    snapshot = story.snapshot or {"keys": [], "books": {}, "workers": {}}
    for key, size in snapshot["keys"]:
        if LASTING.fullmatch(key):
            continue
        what = f"holds {size} of jobs that have ended" if OPEN.fullmatch(key) else "has no TTL"
        yield f"{key}: {what}"
    for service, left in snapshot["books"].items():
        if left:
            yield f"{service}: {left} bytes of open jobs are counted, and none is open"
    for account, left in snapshot.get("accounts", {}).items():
        if any(left.values()):
            yield f"quota of {account}: {left} are counted, and no job is open"
    for to, workers in snapshot["workers"].items():
        for worker in workers:
            if worker["slots_busy"] or worker["state"] != "serving":
                yield f"{to}: worker {worker['name']} is {worker['state']}, {worker['slots_busy']} slots busy"


def _named(story: Story) -> Iterator[Job]:
    return (job for job in story.jobs.values() if job.is_named)


def _counts(story: Story, seen: Seen) -> bool:
    """Whether Redis still has what a caller was told."""
    return not story.is_excused(seen.sent_s - ON_ITS_WAY_S, seen.heard_s)


RULES: tuple[Rule, ...] = (
    ends_once,
    ends_are_recorded,
    final_states_stay,
    known_until_their_time,
    results_fit_inputs,
    runs_have_reasons,
    nothing_runs_after_its_end,
    ends_are_wanted,
    attempts_are_runs,
    calls_are_answered,
    calls_are_prompt_when_all_is_well,
    names_mean_one_job,
    all_serve_in_the_end,
    books_are_closed,
)


def complaints(story: Story) -> dict[str, list[str]]:
    """Returns what is wrong, by rule; a rule that holds has an empty list."""
    return {rule.__name__: list(rule(story)) for rule in RULES}


def facts(story: Story) -> dict[str, Any]:
    """Returns how much there was to look at: a checker that sees nothing finds nothing."""
    jobs = story.jobs.values()
    return {
        "jobs": len(story.jobs),
        "requests": sum(len(job.seen) + len(job.hung) for job in jobs),
        "runs": sum(len(job.runs) for job in jobs),
        "faults": len(story.spans),
    }
