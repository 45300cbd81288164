"""The checker of histories: it says nothing of a good one, and finds each bug that is planted in one."""

from collections.abc import Callable

import pytest

from tests.chaos.rules import RULES
from tests.unit.chaos.forge import FAR, Forge, broken_rules, line_of, spoiled, well


def dropped_fence(forge: Forge) -> None:
    """The late answer of a worker that was shut out replaces the answer of the one that ran the job again."""
    line_of(forge.lines, "final", job="zombie")["result"] = "r5.dzombie"


def lost_wake_up(forge: Forge) -> None:
    """A job lies in its queue, and no worker is woken for it."""
    forge.want(40, "asleep")
    forge.ask(55, 80, "asleep", "run", state="succeeded", result="r20.dasleep")
    forge.run(79, 79.1, "asleep", "r20")
    forge.final("asleep", result="r20.dasleep")


def second_result(forge: Forge) -> None:
    """Two workers take one job, and both answers are stored."""
    forge.ask(40, 41, "sync", state="succeeded", result="r21.dsync")
    forge.run(2.2, 2.4, "sync", "r21", 11)


def result_under_a_wrong_id(forge: Forge) -> None:
    """A batch's answers are given to the wrong jobs."""
    line_of(forge.lines, "answer", result="r1.dsync")["result"] = "r2.dprivate"
    line_of(forge.lines, "final", job="sync")["result"] = "r2.dprivate"


def result_of_no_run(forge: Forge) -> None:
    """An answer is made up, or kept from another life."""
    line_of(forge.lines, "answer", result="r2.dprivate")["result"] = "r99.dprivate"


def end_that_is_overwritten(forge: Forge) -> None:
    """A cancel ends a job that has succeeded already."""
    forge.ask(40, 41, "sync", "cancel", state="canceled")


def end_that_is_taken_back(forge: Forge) -> None:
    """A job that was told to be over is queued again."""
    forge.ask(40, 41, "twice", state="queued")


def double_take(forge: Forge) -> None:
    """A job is handed out twice, and both workers are well."""
    forge.run(2.4, 2.5, "sync", "r22", 10)


def cancel_that_nobody_heeds(forge: Forge) -> None:
    """A canceled job stays in its queue, and is run."""
    forge.run(50, 51, "gone", "r23")


def lost_job(forge: Forge) -> None:
    """A job's message is gone with the worker that had it."""
    line_of(forge.lines, "final", job="twice").update(state="queued", result="")
    line_of(forge.lines, "answer", result="r4.dtwice").update(state="queued", result="")


def forgotten_job(forge: Forge) -> None:
    """A job's record is dropped in the end."""
    line_of(forge.lines, "final", job="twice").update(state="unknown", result="")


def job_that_outlasts_its_time(forge: Forge) -> None:
    """Nobody ends an overdue job."""
    line_of(forge.lines, "final", job="twice")["took_s"] = 121.0


def job_that_nobody_looked_at(forge: Forge) -> None:
    """The run is cut off before it has looked at all jobs."""
    forge.lines.remove(line_of(forge.lines, "final", job="twice"))


def record_that_expires_early(forge: Forge) -> None:
    """A record has the TTL of another kind of job."""
    forge.ask(50, 51, "sync", status=404, id="")


def request_id_that_is_forgotten(forge: Forge) -> None:
    """A repeated request makes a second job."""
    forge.ask(50, 51, "twice", "run", status=200, id="iother", state="succeeded", result="r4.dtwice")


def innocent_that_is_blamed(forge: Forge) -> None:
    """A bad batch mate fails all of its batch."""
    line_of(forge.lines, "answer", result="r1.dsync").update(status=502, state="failed", result="")
    line_of(forge.lines, "final", job="sync").update(state="failed", result="")


def poison_too_soon(forge: Forge) -> None:
    """A death is counted that was none."""
    line_of(forge.lines, "answer", result="r4.dtwice").update(state="poisoned", result="")
    line_of(forge.lines, "final", job="twice").update(state="poisoned", result="")


def held_job_that_counts_as_attempted(forge: Forge) -> None:
    """A worker that ends takes back what it has given back, and never begins it."""
    line_of(forge.lines, "final", job="twice").update(attempts=3, deaths=1)


def caller_who_hangs(forge: Forge) -> None:
    """The answer of a job is published before its gateway listens."""
    forge.note(50, "call", call=5000, job="sync", do="poll", to=FAR)


def answer_that_helps_nobody(forge: Forge) -> None:
    """A gateway has an error of its own."""
    forge.ask(50, 51, "sync", "run", status=500, id="")


def gateway_that_is_deaf(forge: Forge) -> None:
    """A gateway's connection to Redis is never made again."""
    line_of(forge.lines, "probe", to=FAR)["status"] = 503


def worker_that_is_deaf(forge: Forge) -> None:
    """A worker waits on a connection that is dead."""
    forge.lines.remove(line_of(forge.lines, "run", job="late far"))


def slot_that_leaks(forge: Forge) -> None:
    """A slot is not given back when its job was canceled."""
    line_of(forge.lines, "snapshot")["idle_slots"] = 1


def held_job_that_is_not_dropped(forge: Forge) -> None:
    """A job that has ended stays among those that a worker holds."""
    line_of(forge.lines, "snapshot")["keys"].append(["athena:inflight:abc", 1])


def bytes_that_stay_counted(forge: Forge) -> None:
    """The bytes of a job that expired are not taken off the books."""
    line_of(forge.lines, "snapshot")["books"]["ledger"] = 1000


def quota_that_leaks(forge: Forge) -> None:
    """A job that was canceled in its queue stays counted for its application."""
    counts = {"open": 0, "queued": 1, "bytes": 0}
    line_of(forge.lines, "snapshot")["accounts"] = {"chaos ledger": counts}


def key_without_a_ttl(forge: Forge) -> None:
    """A result is stored for ever."""
    line_of(forge.lines, "snapshot")["keys"].append(["athena:result:i1", 1])


#: Each bug, and the rule that finds it.
BUGS: dict[Callable[[Forge], None], str] = {
    dropped_fence: "final_states_stay",
    lost_wake_up: "calls_are_prompt_when_all_is_well",
    second_result: "final_states_stay",
    result_under_a_wrong_id: "results_fit_inputs",
    result_of_no_run: "results_fit_inputs",
    end_that_is_overwritten: "final_states_stay",
    end_that_is_taken_back: "final_states_stay",
    double_take: "runs_have_reasons",
    cancel_that_nobody_heeds: "nothing_runs_after_its_end",
    lost_job: "ends_once",
    forgotten_job: "ends_once",
    job_that_outlasts_its_time: "ends_once",
    job_that_nobody_looked_at: "ends_are_recorded",
    record_that_expires_early: "known_until_their_time",
    request_id_that_is_forgotten: "names_mean_one_job",
    innocent_that_is_blamed: "ends_are_wanted",
    poison_too_soon: "ends_are_wanted",
    held_job_that_counts_as_attempted: "attempts_are_runs",
    caller_who_hangs: "calls_are_answered",
    answer_that_helps_nobody: "calls_are_answered",
    gateway_that_is_deaf: "all_serve_in_the_end",
    worker_that_is_deaf: "all_serve_in_the_end",
    slot_that_leaks: "all_serve_in_the_end",
    held_job_that_is_not_dropped: "books_are_closed",
    bytes_that_stay_counted: "books_are_closed",
    quota_that_leaks: "books_are_closed",
    key_without_a_ttl: "books_are_closed",
}


def test_good_history_breaks_no_rule() -> None:
    assert broken_rules(well()) == {}


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.__name__)
def test_planted_bug_is_found(bug: Callable[[Forge], None]) -> None:
    assert BUGS[bug] in broken_rules(spoiled(bug))


def test_each_rule_finds_a_bug() -> None:
    assert set(BUGS.values()) == {rule.__name__ for rule in RULES}


# what is excused, and no more


def with_loss(from_s: float, until_s: float, bug: Callable[[Forge], None]) -> dict[str, list[str]]:
    def spoil(forge: Forge) -> None:
        bug(forge)
        forge.note(80, "loss", from_s=from_s, until_s=until_s)

    return broken_rules(spoiled(spoil))


@pytest.mark.parametrize(("from_s", "is_excused"), [(10.5, True), (32.5, False)])
def test_job_may_be_unknown_only_if_redis_lost_its_acceptance(from_s: float, is_excused: bool) -> None:
    def gone(forge: Forge) -> None:
        forgotten_job(forge)
        forge.lines = [line for line in forge.lines if line.get("result") != "r4.dtwice"]

    found = with_loss(from_s, from_s + 0.4, gone)

    assert ("ends_once" not in found) == is_excused


@pytest.mark.parametrize(("from_s", "is_excused"), [(2.5, True), (3.5, False)])
def test_second_result_is_excused_only_if_redis_lost_the_first(from_s: float, is_excused: bool) -> None:
    def run_anew(forge: Forge) -> None:
        second_result(forge)
        line_of(forge.lines, "final", job="sync")["result"] = "r21.dsync"

    found = with_loss(from_s, from_s + 0.2, run_anew)

    assert ("final_states_stay" not in found) == is_excused


def test_second_run_is_excused_only_by_a_cut_of_a_host_that_ran_it() -> None:
    def third_host(forge: Forge) -> None:
        line_of(forge.lines, "fault", number=2)["severs"] = ["another"]

    assert broken_rules(spoiled(third_host)) == {
        "runs_have_reasons": ["zombie: run r6 at 26.000, though r5 had ended well"]
    }


@pytest.mark.parametrize(("host", "is_excused"), [("cut", True), ("whole", False)])
def test_run_of_a_host_that_was_cut_off_counts_as_a_death(host: str, is_excused: bool) -> None:
    def cut_off(forge: Forge) -> None:
        poison_too_soon(forge)
        line_of(forge.lines, "hosts")["workers"] = {host: [13], "third": [10, 11, 12]}
        # Its host is cut off in the second of two runs that came to their end, and another is not.
        forge.note(10, "fault", fault="black hole", number=3, severs=["cut"])
        forge.run(11.1, 11.4, "twice", "r41", 13)
        forge.run(11.5, 11.8, "twice", "r42", 13)
        forge.note(12, "mended", number=3)

    assert ("ends_are_wanted" not in broken_rules(spoiled(cut_off))) == is_excused


@pytest.mark.parametrize(("severs", "is_excused"), [(["far"], True), ([], False)])
def test_worker_may_die_under_a_job_before_it_writes_down_that_it_began(
    severs: list[str], is_excused: bool
) -> None:
    def begun_by_nobody(forge: Forge) -> None:
        poison_too_soon(forge)
        line_of(forge.lines, "final", job="twice")["took_s"] = 30
        for number in (3, 4):
            forge.note(35 + number, "fault", fault="host killed", number=number, severs=severs)
            forge.note(35.5 + number, "mended", number=number)

    assert ("ends_are_wanted" not in broken_rules(spoiled(begun_by_nobody))) == is_excused


@pytest.mark.parametrize(("attempts", "deaths", "is_right"), [(2, 1, True), (3, 2, True), (3, 1, False)])
def test_attempts_that_nobody_wrote_down_are_those_of_deaths(
    attempts: int, deaths: int, is_right: bool
) -> None:
    def counted(forge: Forge) -> None:
        line_of(forge.lines, "final", job="twice").update(attempts=attempts, deaths=deaths)

    assert ("attempts_are_runs" not in broken_rules(spoiled(counted))) == is_right


@pytest.mark.parametrize(("at_s", "is_excused"), [(10.2, True), (12.5, False)])
def test_calls_that_outlast_their_worker_are_attempts_of_all_their_jobs(
    at_s: float, is_excused: bool
) -> None:
    def stopped(forge: Forge) -> None:
        held_job_that_counts_as_attempted(forge)
        forge.note(at_s, "fault", fault="worker stopped (SIGTERM)", number=9, stops=["near"])
        forge.note(at_s + 0.1, "mended", number=9)

    assert ("attempts_are_runs" not in broken_rules(spoiled(stopped))) == is_excused


def test_attempts_of_what_redis_lost_are_excused() -> None:
    assert "attempts_are_runs" not in with_loss(12, 13, held_job_that_counts_as_attempted)


@pytest.mark.parametrize(("from_s", "is_excused"), [(2.2, True), (3.6, False)])
def test_workers_may_die_under_a_job_whose_end_redis_lost(from_s: float, is_excused: bool) -> None:
    def open_again(forge: Forge) -> None:
        line_of(forge.lines, "final", job="sync").update(state="poisoned", result="", took_s=40)
        for number in (3, 4):
            forge.note(35 + number, "fault", fault="host killed", number=number, severs=["far"])
            forge.note(35.5 + number, "mended", number=number)

    found = with_loss(from_s, from_s + 0.4, open_again)

    assert ("ends_are_wanted" not in found) == is_excused


@pytest.mark.parametrize("pids", [(12, 12, 12), (12, 12, 11), (12, 12)])
def test_retry_may_die_in_runs_that_are_written_down_under_the_name_it_repeats(pids: tuple[int, ...]) -> None:
    def poisoned(forge: Forge) -> None:
        line_of(forge.lines, "final", job="again").update(state="poisoned", took_s=1)
        for number, pid in enumerate(pids):
            forge.run(
                10.5 + number / 10, None if pid == 12 else 10.6 + number / 10, "broken", f"r6{number}", pid
            )

    assert ("ends_are_wanted" not in broken_rules(spoiled(poisoned))) == (pids == (12, 12, 12))


def test_task_that_is_published_is_answered_by_nobody() -> None:
    def published(forge: Forge) -> None:
        forge.want(2, "foreign")
        forge.ask(2, 89, "foreign", "send", status=202)
        forge.run(3, 3.5, "foreign", "r50")
        forge.final("foreign", result="r50.dforeign")

    assert broken_rules(spoiled(published)) == {}


def test_fault_that_was_never_whole_again_explains_what_came_of_it() -> None:
    def never_whole(forge: Forge) -> None:
        forge.lines.remove(line_of(forge.lines, "mended", number=2))
        forge.want(48, "long")
        forge.run(49, 49.5, "long", "r40", 11)
        forge.run(50, 50.5, "long", "r41", 11)

    assert broken_rules(spoiled(never_whole)) == {}


def test_canceled_job_may_be_begun_while_its_worker_is_being_told() -> None:
    assert broken_rules(spoiled(lambda forge: forge.run(8.9, 9, "gone", "r30"))) == {}
    assert "nothing_runs_after_its_end" in broken_rules(
        spoiled(lambda forge: forge.run(40.1, 41, "gone", "r30"))
    )


@pytest.mark.parametrize(("ended_s", "is_given_back"), [(55.5, True), (54.5, False)])
def test_stopped_worker_gives_back_only_what_outlasts_its_grace(ended_s: float, is_given_back: bool) -> None:
    def stop(forge: Forge) -> None:
        forge.want(48, "long")
        forge.note(50, "fault", fault="worker stopped", number=3, severs=[], stops=["near"])
        forge.note(56, "mended", number=3)
        forge.run(49, ended_s, "long", "r40", 10)
        forge.run(57, 58, "long", "r41", 11)

    assert ("runs_have_reasons" not in broken_rules(spoiled(stop))) == is_given_back


@pytest.mark.parametrize(
    ("host", "from_s", "is_excused"), [("near", 48, True), ("far", 48, False), ("near", 57.5, False)]
)
def test_stopped_worker_takes_its_results_along_only_if_nobody_hears_it(
    host: str, from_s: float, is_excused: bool
) -> None:
    def stop(forge: Forge) -> None:
        forge.want(48, "short")
        forge.note(50, "fault", fault="worker stopped", number=3, severs=[], stops=["near"])
        forge.note(from_s, "fault", fault="redis frozen", number=4, severs=[], mutes=[host])
        forge.note(56, "mended", number=3)
        forge.note(58, "mended", number=4)
        forge.run(49, 49.1, "short", "r40", 10)
        forge.run(57, 58, "short", "r41", 11)

    assert ("runs_have_reasons" not in broken_rules(spoiled(stop))) == is_excused


@pytest.mark.parametrize(("when_s", "by_s", "is_excused"), [(40, 90, True), (40, 20, False), (0, 90, False)])
def test_job_may_take_longer_by_a_clock_that_was_stepped(
    when_s: float, by_s: float, is_excused: bool
) -> None:
    def step(forge: Forge) -> None:
        line_of(forge.lines, "final", job="twice")["took_s"] = 200.0
        forge.note(60, "step", when_s=when_s, by_s=by_s)

    assert ("ends_once" not in broken_rules(spoiled(step))) == is_excused


def test_fault_excuses_a_slow_call() -> None:
    def slow(forge: Forge) -> None:
        lost_wake_up(forge)
        forge.note(60, "fault", fault="redis frozen", number=3, severs=[])
        forge.note(70, "mended", number=3)

    assert "calls_are_prompt_when_all_is_well" not in broken_rules(spoiled(slow))


def test_run_that_did_not_come_to_its_end_is_no_proof() -> None:
    lines = [line for line in well() if line["is"] != "snapshot"]

    assert "all_serve_in_the_end" in broken_rules(lines)
