"""The scripts of athena/store/lua on a real Redis, through the builders of athena.store.submission."""

import re
from collections.abc import Callable, Iterator

import pytest
from redis.exceptions import ResponseError

from athena.jobs.record import Outcome
from athena.operations.queues import queue_waits
from athena.operations.steps import run_steps
from athena.protocol.enums import JobState
from athena.store.fencing import beat_command, beats
from athena.store.keys import (
    BEATS,
    bell_key,
    job_key,
    load_key,
    open_key,
    payload_key,
    queues_key,
    request_key,
    result_key,
)
from athena.store.lease import TakenJob, give_back_command
from athena.store.submission import cancel_command, find_command, found_jobs

from .conftest import ANY_QUEUE, CPU_QUEUE, Ear, Store, failed, submission, succeeded

pytestmark = pytest.mark.redis


def take_one(store: Store, job_id: str, **changes: object) -> TakenJob:
    """Submits a job and takes it."""
    assert store.submit(job_id, **changes) == [b"accepted"]
    (job,) = store.take(1)
    assert job.job_id == job_id
    return job


# submit


def test_accepted_job_has_a_record_a_message_and_a_bell(store: Store) -> None:
    reply = store.submit("j1", app_id="app", gateway="g1")

    record = store.record("j1")
    assert reply == [b"accepted"]
    assert record.state is JobState.QUEUED
    assert (record.service_id, record.app_id, record.queue) == ("echo", "app", ANY_QUEUE)
    assert record.attempts == 0
    assert record.queued_ms > 0
    assert store.queued() == ["j1"]
    assert store.raw("LLEN", bell_key(ANY_QUEUE)) == 1


def test_bell_rings_once_for_many_jobs(store: Store) -> None:
    for number in range(5):
        store.submit(f"j{number}")

    assert store.raw("LLEN", bell_key(ANY_QUEUE)) == 1
    assert store.queued() == ["j0", "j1", "j2", "j3", "j4"]


def test_open_job_never_expires_by_ttl(store: Store) -> None:
    store.put_payload("j1", b"data")

    store.submit("j1", claim=True, request_id="r1", body_hash="h")

    for key in ("athena:job:j1", payload_key("j1"), request_key("r1"), ANY_QUEUE):
        assert store.pttl(key) == -1, key


def test_same_request_id_and_body_attaches_to_the_first_job(store: Store, ear: Ear) -> None:
    store.submit("j1", request_id="r1", body_hash="h", gateway="g1")

    reply = store.submit("j2", request_id="r1", body_hash="h", gateway="g2")

    assert reply == [b"attached", b"j1", b"queued"]
    assert store.queued() == ["j1"]
    assert store.read("j2") is None
    assert store.field("j1", "gateways") == b"g1,g2"


def test_attaching_twice_from_one_gateway_is_heard_once(store: Store, ear: Ear) -> None:
    for job_id in ("j1", "j2", "j3"):
        store.submit(job_id, request_id="r1", body_hash="h", gateway="g1")
    (job,) = store.take()

    store.finish(job.job_id, job.token)

    assert ear.next()[0] == "g1"
    assert ear.is_silent()


def test_attach_to_a_final_job_tells_its_state(store: Store) -> None:
    job = take_one(store, "j1", request_id="r1", body_hash="h")
    store.finish("j1", job.token)

    reply = store.submit("j2", request_id="r1", body_hash="h", gateway="g1")

    assert reply == [b"attached", b"j1", b"succeeded"]
    assert store.field("j1", "gateways") == b""


def test_same_request_id_with_another_body_is_a_conflict(store: Store) -> None:
    store.submit("j1", request_id="r1", body_hash="h1")

    reply = store.submit("j2", request_id="r1", body_hash="h2")

    assert reply == [b"conflict", b"j1"]
    assert store.queued() == ["j1"]


def test_same_request_id_of_another_app_is_another_job(store: Store) -> None:
    store.submit("j1", request_id="r1", body_hash="h1", app_id="a b")

    reply = store.submit("j2", request_id="r1", body_hash="h2", app_id="b")

    assert reply == [b"accepted"]
    assert found_jobs(store.run(find_command("r1"))) == [("echo", "a b", "j1"), ("echo", "b", "j2")]


def test_same_request_id_for_another_ability_is_another_job(store: Store) -> None:
    store.submit("j1", request_id="r1", body_hash="h1")
    other = {"service_id": "mmocr", "queue": "mmocr.any", "request_id": "r1"}

    assert store.submit("j2", body_hash="h1", **other) == [b"accepted"]
    assert store.submit("j3", body_hash="h1", **other) == [b"attached", b"j2", b"queued"]
    assert store.submit("j4", request_id="r1", body_hash="h1") == [b"attached", b"j1", b"queued"]
    assert found_jobs(store.run(find_command("r1"))) == [("echo", "demo", "j1"), ("mmocr", "demo", "j2")]


def test_request_id_that_an_older_version_wrote_leads_to_its_own_ability_only(store: Store) -> None:
    store.submit("j1")
    store.raw("HSET", request_key("r1"), "demo", "j1 h1")

    other = store.submit("j2", service_id="mmocr", queue="mmocr.any", request_id="r1", body_hash="h1")

    assert other == [b"accepted"]
    assert store.submit("j3", request_id="r1", body_hash="h1") == [b"attached", b"j1", b"queued"]
    assert store.submit("j4", request_id="r1", body_hash="h2") == [b"conflict", b"j1"]


@pytest.mark.spoils_keys
def test_request_id_is_free_again_when_the_record_is_gone(store: Store) -> None:
    store.submit("j1", request_id="r1", body_hash="h1")
    store.raw("DEL", "athena:job:j1")

    reply = store.submit("j2", request_id="r1", body_hash="h2")

    assert reply == [b"accepted"]
    assert found_jobs(store.run(find_command("r1"))) == [("echo", "demo", "j2")]


def test_full_queue_refuses_and_says_how_full_it_is(store: Store) -> None:
    store.submit("j1", max_queue_jobs=2)
    store.submit("j2", max_queue_jobs=2)
    store.put_payload("j3", b"data")

    reply = store.submit("j3", max_queue_jobs=2, claim=True, request_id="r3", body_hash="h")

    assert reply == [b"full", b"2"]
    assert store.read("j3") is None
    assert not store.exists(payload_key("j3"))
    assert not store.exists(request_key("r3"))
    assert store.queued() == ["j1", "j2"]


@pytest.mark.parametrize("body_hash", ["h", "other"])
def test_inputs_of_a_job_that_is_not_new_are_dropped(store: Store, body_hash: str) -> None:
    store.submit("j1", request_id="r1", body_hash="h")
    store.put_payload("j2", b"data")

    store.submit("j2", request_id="r1", body_hash=body_hash, claim=True)

    assert not store.exists(payload_key("j2"))


def test_job_whose_inputs_are_gone_is_not_accepted(store: Store) -> None:
    reply = store.submit("j1", claim=True)

    assert reply == [b"payload_lost"]
    assert store.read("j1") is None
    assert store.queued() == []


def test_jobs_submitted_at_once_are_queued_in_their_order(store: Store) -> None:
    store.submit("j0")

    jobs = [submission(f"j{number}", bytes=100) for number in (1, 2, 3)]
    verdicts = store.submit_all(*jobs, submission("cpu", queue=CPU_QUEUE, bytes=100))

    assert verdicts == [b"accepted"] * 4
    assert (store.queued(), store.queued(CPU_QUEUE)) == (["j0", "j1", "j2", "j3"], ["cpu"])
    assert [store.record(f"j{number}").position for number in range(4)] == [1, 2, 3, 4]
    assert store.raw("LLEN", bell_key(ANY_QUEUE)) == store.raw("LLEN", bell_key(CPU_QUEUE)) == 1
    assert {queue.decode() for queue in store.raw("SMEMBERS", queues_key("echo"))} == {ANY_QUEUE, CPU_QUEUE}
    held = int(store.raw("HGET", load_key("echo"), "bytes"))
    assert held == sum(int(store.field(job, "bytes") or 0) for job in ("j0", "j1", "j2", "j3", "cpu"))
    assert sorted(store.raw("ZRANGE", open_key("echo"), 0, -1)) == [b"cpu", b"j0", b"j1", b"j2", b"j3"]


def test_jobs_submitted_at_once_count_against_each_others_limits(store: Store) -> None:
    many = [submission(f"j{number}", max_queue_jobs=2, bytes=100) for number in range(3)]
    heavy = [submission(f"h{number}", queue=CPU_QUEUE, bytes=600, max_open_bytes=1400) for number in range(3)]

    verdicts = store.submit_all(*many, *heavy)

    assert verdicts == [*[b"accepted"] * 2, b"full 2", *[b"accepted"] * 2, b"heavy 1400"]
    assert (store.queued(), store.queued(CPU_QUEUE)) == (["j0", "j1"], ["h0", "h1"])


def test_same_request_submitted_twice_at_once_is_one_job(store: Store) -> None:
    same = {"request_id": "r1", "body_hash": "h", "gateway": "g1"}
    store.put_payload("j2", b"data")

    verdicts = store.submit_all(
        submission("j1", **same),
        submission("j2", **same, claim=True),
        submission("j3", **{**same, "body_hash": "other"}),
    )

    assert verdicts == [b"accepted", b"attached j1 queued", b"conflict j1"]
    assert store.queued() == ["j1"]
    assert not store.exists(payload_key("j2"))


def test_job_whose_keys_are_not_what_they_should_be_does_not_keep_others_out(store: Store) -> None:
    store.raw("SET", CPU_QUEUE, "no list")

    verdicts = store.submit_all(submission("j1"), submission("bad", queue=CPU_QUEUE), submission("j2"))

    assert [verdict.split(b" ")[0] for verdict in verdicts] == [b"accepted", b"failed", b"accepted"]
    assert b"WRONGTYPE" in verdicts[1]
    assert store.read("bad") is None
    assert store.queued() == ["j1", "j2"]


@pytest.mark.spoils_keys
def test_job_that_fails_half_way_leaves_nothing(store: Store) -> None:
    store.raw("SET", request_key("r1"), "no hash")
    store.raw("SET", open_key("other"), "no set")
    store.put_payload("bad", b"data")

    verdicts = store.submit_all(
        submission("bad", request_id="r1", body_hash="h", claim=True),
        submission("worse", service_id="other", queue="other.any"),
        submission("j1"),
    )

    assert [verdict.split(b" ")[0] for verdict in verdicts] == [b"failed", b"failed", b"accepted"]
    assert store.queued() == ["j1"]
    assert not any(map(store.exists, (job_key("bad"), payload_key("bad"), job_key("worse"), "other.any")))


def test_replica_says_so_when_it_is_given_a_job(store: Store) -> None:
    store.submit("j0")
    store.raw("REPLICAOF", "127.0.0.1", 1)
    try:
        with pytest.raises(ResponseError, match="READONLY"):
            store.submit_all(submission("j1"), submission("j2"))
    finally:
        store.raw("REPLICAOF", "NO", "ONE")


# take


def test_jobs_are_taken_in_the_order_of_queues_and_of_arrival(store: Store) -> None:
    store.submit("any1")
    store.submit("cpu1", queue=CPU_QUEUE)
    store.submit("any2")
    store.submit("cpu2", queue=CPU_QUEUE)

    first = store.take(3)
    rest = store.take(3)

    assert [(job.job_id, job.queue) for job in first] == [
        ("cpu1", CPU_QUEUE),
        ("cpu2", CPU_QUEUE),
        ("any1", ANY_QUEUE),
    ]
    assert [job.job_id for job in rest] == ["any2"]


def test_taken_job_has_a_token_of_attempt_and_incarnation(store: Store) -> None:
    job = take_one(store, "j1")

    assert re.fullmatch(r"1\.1\.\d{13}:w1", job.token)
    assert store.field("j1", "token") == job.token.encode()
    assert store.state("j1") is JobState.QUEUED
    assert store.raw("HGET", "athena:inflight:w1", "j1") == job.message


def test_token_counts_the_attempts_that_were_started_and_not_given_back(store: Store) -> None:
    job = take_one(store, "j1")
    store.start(job)
    store.give_back(job)

    (again,) = store.take(1)
    store.start(again)
    store.fence("j1")
    store.register()
    (after_death,) = store.take(1)

    assert re.fullmatch(r"1\.2\.\d{13}:w1", again.token)
    assert re.fullmatch(r"2\.3\.\d{13}:w1", after_death.token)


def test_bell_is_silent_once_the_queues_are_empty(store: Store) -> None:
    store.submit("j1")

    store.take()

    assert not store.exists(bell_key(ANY_QUEUE))


def test_bell_rings_on_when_jobs_are_left(store: Store) -> None:
    store.submit("j1")
    store.submit("j2")
    store.raw("DEL", bell_key(ANY_QUEUE))

    store.take(1)

    assert store.raw("LLEN", bell_key(ANY_QUEUE)) == 1


@pytest.mark.spoils_keys
def test_job_that_cannot_be_taken_stays_and_keeps_nobody_waiting(store: Store) -> None:
    store.submit_all(*(submission(job_id) for job_id in ("j1", "bad", "j2")))
    store.raw("SET", job_key("bad"), "no hash")

    assert [job.job_id for job in store.take(2)] == ["j1"]
    assert [job.job_id for job in store.take(2)] == ["j2"]

    with pytest.raises(ResponseError, match="WRONGTYPE"):
        store.take(2)
    assert store.queued() == ["bad"]
    assert set(store.raw("HKEYS", "athena:inflight:w1")) == {b"j1", b"j2"}


@pytest.mark.spoils_keys
def test_job_that_cannot_be_taken_does_not_hold_up_other_queues(store: Store) -> None:
    store.submit_all(submission("bad", queue=CPU_QUEUE), submission("j1"))
    store.raw("SET", job_key("bad"), "no hash")

    assert [job.job_id for job in store.take()] == ["j1"]
    assert store.queued(CPU_QUEUE) == ["bad"]


def test_job_that_cannot_be_finished_stays_in_the_hands_of_its_worker(store: Store) -> None:
    good, bad = take_one(store, "j1"), take_one(store, "j2")
    store.raw("SET", "athena:kept:echo", "no list")

    verdicts = store.finish_all(("j1", good.token, succeeded()), ("j2", bad.token, failed()))

    assert verdicts[0] == 1
    assert b"WRONGTYPE" in verdicts[1]
    assert store.raw("HKEYS", "athena:inflight:w1") == [b"j2"]


def test_more_jobs_are_taken_than_redis_passes_on_at_once(store: Store) -> None:
    job_ids = [f"j{number}" for number in range(2100)]
    for first in range(0, len(job_ids), 500):
        part = job_ids[first : first + 500]
        store.submit_all(*(submission(job_id, max_queue_jobs=5000) for job_id in part))

    assert [job.job_id for job in store.take(2050)] == job_ids[:2050]
    assert store.queued() == job_ids[2050:]


def test_worker_that_is_not_registered_takes_nothing(store: Store) -> None:
    store.submit("j1")

    taken = store.try_take(incarnation="stranger")

    assert taken is None
    assert store.queued() == ["j1"]


def test_task_of_send_task_is_adopted(store: Store) -> None:
    message = b'{"body": "W10=", "headers": {"task": "athena.run", "id": "f-1"}, "properties": {}}'
    store.raw("LPUSH", ANY_QUEUE, message)

    (job,) = store.take()

    record = store.record("f-1")
    assert (job.job_id, job.attempt, job.message) == ("f-1", 1, message)
    assert (record.service_id, record.queue) == ("echo", ANY_QUEUE)
    assert store.field("f-1", "result_ttl_ms") == b"3600000"
    assert store.finish("f-1", job.token) == 1
    assert 86_000_000 < store.pttl("athena:job:f-1") <= 86_400_000
    assert 3_500_000 < store.pttl(result_key("f-1")) <= 3_600_000


@pytest.mark.spoils_keys
def test_our_message_without_a_record_is_dropped(store: Store) -> None:
    store.submit("j1")
    store.raw("DEL", "athena:job:j1")

    taken = store.take()

    assert taken == []
    assert store.queued() == []
    assert not store.exists("athena:job:j1")
    assert not store.exists("athena:inflight:w1")


def test_message_without_an_id_is_dropped(store: Store) -> None:
    store.raw("LPUSH", ANY_QUEUE, b"no task at all")
    store.submit("j1")

    taken = store.take()

    assert [job.job_id for job in taken] == ["j1"]


def test_final_job_is_not_taken(store: Store) -> None:
    store.submit("j1", abandonable=True, gateway="g1")
    store.leave("j1", "g1")
    store.submit("j2")

    taken = store.take(1)

    assert [job.job_id for job in taken] == ["j2"]
    assert store.state("j1") is JobState.CANCELED


def test_overdue_job_is_expired_and_not_taken(store: Store, ear: Ear) -> None:
    store.submit("j1", max_queue_s=0, gateway="g1")
    store.submit("j2")

    taken = store.take(1)

    assert [job.job_id for job in taken] == ["j2"]
    record = store.record("j1")
    assert (record.state, record.code) == (JobState.EXPIRED, 10114)
    assert store.pttl("athena:job:j1") > 0
    gateway, (reply,) = ear.next()
    assert (gateway, reply.job_id, reply.state) == ("g1", "j1", JobState.EXPIRED)


def test_second_copy_of_a_held_message_is_ignored(store: Store) -> None:
    job = take_one(store, "j1")
    store.register("w2")
    store.raw("LPUSH", ANY_QUEUE, job.message)

    taken = store.take(incarnation="w2")

    assert taken == []
    assert store.field("j1", "token") == job.token.encode()
    assert store.finish("j1", job.token) == 1


# start


def test_started_job_is_running_and_its_attempt_counts(store: Store) -> None:
    job = take_one(store, "j1")

    verdicts = store.start(job)

    record = store.record("j1")
    assert verdicts == [1]
    assert (record.state, record.attempts) == (JobState.RUNNING, 1)
    assert (record.gpu_type, record.worker) == ("cpu", "echo.cpu.0@host")
    assert record.started_ms >= record.queued_ms


def test_start_told_twice_counts_once(store: Store) -> None:
    job = take_one(store, "j1")
    store.start(job)
    store.raw("HSET", "athena:job:j1", "started_ms", 5)

    verdicts = store.start(job)

    assert verdicts == [1]
    assert store.record("j1").started_ms == 5


def test_start_of_a_job_that_is_not_ours_is_refused(store: Store) -> None:
    store.submit("j1")
    store.submit("j2", abandonable=True, gateway="g1")
    held, left = store.take(2)
    store.leave("j2", "g1")
    stale = TakenJob("j1", "1.1:w0", held.queue, held.message)
    unknown = TakenJob("nobody", "1.1:w1", held.queue, held.message)

    verdicts = store.start(stale, left, unknown)

    assert verdicts == [0, 0, 0]
    assert store.state("j1") is JobState.QUEUED
    assert store.state("j2") is JobState.CANCELED
    assert not store.exists("athena:job:nobody")


# finish


def test_finished_job_has_result_and_how_it_ran(store: Store) -> None:
    job = take_one(store, "j1", result_ttl_s=10, record_ttl_s=20)
    store.start(job)

    verdict = store.finish("j1", job.token, succeeded(b'{"text":"x"}'))

    record = store.record("j1")
    assert verdict == 1
    assert (record.state, record.code, record.message) == (JobState.SUCCEEDED, 0, "")
    assert (record.result, record.gpu_type) == (b'{"text":"x"}', "cpu")
    assert (record.worker, record.attempts) == ("echo.cpu.0@host", 1)
    assert record.finished_ms >= record.started_ms >= record.queued_ms > 0
    assert store.field("j1", "exec_ms") == b"7"
    assert store.field("j1", "batch_size") == b"2"
    assert 9_000 < store.pttl(result_key("j1")) <= 10_000
    assert 19_000 < store.pttl("athena:job:j1") <= 20_000
    assert not store.exists("athena:inflight:w1")


def test_job_that_ended_before_its_start_was_told_has_a_start(store: Store) -> None:
    job = take_one(store, "j1")

    store.finish("j1", job.token)

    record = store.record("j1")
    assert record.attempts == 1
    assert record.finished_ms - record.started_ms == 7


def test_failed_job_keeps_code_and_text_and_has_no_result(store: Store) -> None:
    job = take_one(store, "j1")

    store.finish("j1", job.token, failed("out of memory ü"))

    record = store.record("j1")
    assert (record.state, record.code, record.message) == (
        JobState.FAILED,
        10909,
        "out of memory ü",
    )
    assert not store.exists(result_key("j1"))


def test_job_that_was_never_started_has_no_start(store: Store) -> None:
    job = take_one(store, "j1")

    store.finish("j1", job.token, Outcome(JobState.CANCELED, code=10101, batch_size=0))

    record = store.record("j1")
    assert record.state is JobState.CANCELED
    assert (record.started_ms, record.attempts, record.worker) == (0, 0, "")


def test_answer_with_a_late_token_is_dropped(store: Store) -> None:
    job = take_one(store, "j1")
    store.give_back(job)
    store.register("w2")
    (again,) = store.take(incarnation="w2")

    late = store.finish("j1", job.token, succeeded(b'"late"'))
    current = store.finish("j1", again.token, succeeded(b'"current"'), incarnation="w2")

    assert (late, current) == (0, 1)
    assert store.record("j1").result == b'"current"'


@pytest.mark.parametrize("let_go", ["finish", "give back", "reconcile"])
def test_worker_that_lets_go_of_a_canceled_job_has_none_on_its_list(store: Store, let_go: str) -> None:
    job = take_one(store, "j1", abandonable=True, gateway="g1")
    store.leave("j1", "g1")
    assert store.exists("athena:canceled:w1")

    if let_go == "finish":
        store.finish("j1", job.token)
    elif let_go == "give back":
        store.give_back(job)
    else:
        store.reconcile()

    assert not store.exists("athena:canceled:w1")


def test_canceled_job_whose_record_is_gone_leaves_the_list_too(store: Store) -> None:
    job = take_one(store, "j1", abandonable=True, gateway="g1")
    store.leave("j1", "g1")
    store.raw("DEL", "athena:job:j1")

    store.finish("j1", job.token)

    assert not store.exists("athena:canceled:w1")


def test_answer_after_another_end_is_dropped(store: Store) -> None:
    job = take_one(store, "j1", abandonable=True, gateway="g1")
    store.leave("j1", "g1")

    verdict = store.finish("j1", job.token)

    assert verdict == 0
    assert store.record("j1").state is JobState.CANCELED
    assert not store.exists(result_key("j1"))
    assert not store.exists("athena:inflight:w1")


def test_repeated_finish_is_a_success_and_changes_nothing(store: Store, ear: Ear) -> None:
    job = take_one(store, "j1", gateway="g1")
    store.finish("j1", job.token, succeeded(b'"first"'))
    ear.next()

    verdict = store.finish("j1", job.token, succeeded(b'"second"'))

    assert verdict == 1
    assert store.record("j1").result == b'"first"'
    assert ear.is_silent()


def test_unknown_job_cannot_be_finished(store: Store) -> None:
    assert store.finish("nobody", "1.1:w1") == 0
    assert not store.exists("athena:job:nobody")


def test_end_is_published_to_every_gateway_that_waits(store: Store, ear: Ear) -> None:
    store.submit("j1", request_id="r1", body_hash="h", gateway="g1")
    store.read("j1", gateway="g2")
    (job,) = store.take()

    store.finish("j1", job.token, succeeded(b'{"text":"x"}'))

    heard = dict([ear.next(), ear.next()])
    assert sorted(heard) == ["g1", "g2"]
    assert heard["g1"] == heard["g2"]
    (reply,) = heard["g1"]
    assert (reply.job_id, reply.state, reply.code) == ("j1", JobState.SUCCEEDED, 0)
    assert (reply.message, reply.gpu_type, reply.payload) == ("", "cpu", b'{"text":"x"}')


def test_ends_of_one_batch_come_in_one_publication(store: Store, ear: Ear) -> None:
    for number in range(3):
        store.submit(f"j{number}", gateway="g1")
    jobs = store.take(3)

    store.finish_all(*((job.job_id, job.token, failed(job.job_id)) for job in jobs))

    _, replies = ear.next()
    assert [(reply.job_id, reply.message) for reply in replies] == [
        ("j0", "j0"),
        ("j1", "j1"),
        ("j2", "j2"),
    ]
    assert ear.is_silent()


@pytest.mark.parametrize(("size", "is_inline"), [(65536, True), (65537, False)])
def test_large_result_is_not_published(store: Store, ear: Ear, size: int, is_inline: bool) -> None:
    job = take_one(store, "j1", gateway="g1")
    payload = b'"' + b"x" * (size - 2) + b'"'

    store.finish("j1", job.token, succeeded(payload))

    _, (reply,) = ear.next()
    assert reply.payload == (payload if is_inline else None)
    assert store.record("j1").result == payload


def test_finish_removes_the_inputs(store: Store) -> None:
    store.put_payload("j1", b"data")
    job = take_one(store, "j1", claim=True)
    assert store.raw("GET", payload_key("j1")) == b"data"

    store.finish("j1", job.token)

    assert not store.exists(payload_key("j1"))


def test_request_id_lives_as_long_as_the_record(store: Store) -> None:
    job = take_one(store, "j1", request_id="r1", body_hash="h", record_ttl_s=20)

    store.finish("j1", job.token)

    assert 19_000 < store.pttl(request_key("r1")) <= 20_000


@pytest.mark.spoils_keys
def test_one_bad_job_does_not_stop_the_others_of_a_batch(store: Store) -> None:
    for number in range(3):
        store.submit(f"j{number}")
    jobs = store.take(3)
    store.raw("SET", "athena:job:j1", "not a hash")

    verdicts = store.finish_all(*((job.job_id, job.token, succeeded()) for job in jobs))

    assert verdicts[0] == verdicts[2] == 1
    assert b"WRONGTYPE" in verdicts[1]
    assert store.record("j0").state is store.record("j2").state is JobState.SUCCEEDED


# give back, reconcile


def test_returned_jobs_come_first_and_in_their_order(store: Store) -> None:
    for number in range(4):
        store.submit(f"j{number}")
    taken = store.take(3)

    count = store.give_back(*taken)

    assert count == 3
    assert store.queued() == ["j0", "j1", "j2", "j3"]
    assert store.raw("LLEN", bell_key(ANY_QUEUE)) == 1
    assert not store.exists("athena:inflight:w1")
    assert {job.token.split(".")[1] for job in store.take(4)} == {"2"}


def test_returned_job_goes_back_to_its_own_queue(store: Store) -> None:
    job = take_one(store, "j1", queue=CPU_QUEUE)

    store.give_back(job)

    assert store.queued(CPU_QUEUE) == ["j1"]
    assert store.queued(ANY_QUEUE) == []


def test_job_is_returned_once(store: Store) -> None:
    job = take_one(store, "j1")
    store.give_back(job)

    count = store.give_back(job)

    assert count == 0
    assert store.queued() == ["j1"]


def test_job_for_another_worker_is_returned_uncounted_and_its_queue_tells_why(store: Store) -> None:
    take_one(store, "j1")
    store.fence("j1")
    store.register()
    (job,) = store.take(1)
    # It must run alone, so it was counted when it was taken.
    assert store.record("j1").attempts == 2

    store.run(give_back_command("w1", [(job.job_id, job.token)], "needs more: than this"))

    record = store.record("j1")
    assert (record.state, record.attempts, record.deaths) == (JobState.QUEUED, 1, 1)
    assert record.queue_waits == "needs more: than this"
    assert run_steps(queue_waits([CPU_QUEUE, ANY_QUEUE]), store.run) == {ANY_QUEUE: "needs more: than this"}


@pytest.mark.parametrize("end", ["take", "cancel", "expire"])
def test_queue_waits_for_as_long_as_the_job_lies_in_it(store: Store, end: str) -> None:
    job = take_one(store, "j1")
    store.run(give_back_command("w1", [(job.job_id, job.token)], "needs more"))
    store.submit("j2")
    assert store.record("j2").queue_waits == "needs more"

    if end == "take":
        store.take(1)
    elif end == "cancel":
        store.run(cancel_command(["j1"], "not wanted"))
    else:
        store.raw("HSET", "athena:job:j1", "expires_ms", 1)
        store.read("j1")

    assert store.record("j2").queue_waits == ""
    assert run_steps(queue_waits([ANY_QUEUE]), store.run) == {}


def test_job_of_another_holder_is_not_returned(store: Store) -> None:
    job = take_one(store, "j1")

    store.raw("HSET", "athena:job:j1", "token", "1.1:w0")

    count = store.give_back(job)

    assert count == 0
    assert store.queued() == []


def test_final_job_is_not_returned(store: Store) -> None:
    job = take_one(store, "j1", abandonable=True, gateway="g1")
    store.leave("j1", "g1")

    count = store.give_back(job)

    assert count == 0
    assert store.queued() == []
    assert not store.exists("athena:inflight:w1")


def test_jobs_that_a_worker_does_not_know_of_go_back(store: Store) -> None:
    store.submit("j1")
    store.submit("j2")
    held, _ = store.take(2)

    returned, _ = store.reconcile(held)

    assert returned == ["j2"]
    assert store.queued() == ["j2"]
    assert store.raw("HKEYS", "athena:inflight:w1") == [b"j1"]
    assert store.field("j2", "token") == b""


def test_job_that_a_worker_holds_by_an_earlier_take_goes_back(store: Store) -> None:
    store.submit("j1")
    memory = store.remember()
    (earlier,) = store.take(1)
    # Redis gives it out anew, and the worker does not hear of it.
    store.go_back(memory)
    store.take(1)

    returned, _ = store.reconcile(earlier)

    assert returned == store.queued() == ["j1"]


def test_reconcile_leaves_alone_what_another_worker_took_over(store: Store) -> None:
    take_one(store, "j1")
    store.raw("HSET", "athena:job:j1", "token", "2.2:w2")

    returned, _ = store.reconcile()

    assert returned == []
    assert store.queued() == []
    assert store.field("j1", "token") == b"2.2:w2"


# beat


def test_heartbeat_counts_workers_and_names_those_that_are_fenced(store: Store) -> None:
    store.register("w2")
    store.run(beat_command(["w1", "w2"]))

    heard = beats(store.run(beat_command(["w1", "gone", "w2"])))

    assert [beat.is_fenced for beat in heard] == [False, True, False]
    assert store.raw("HGET", BEATS, "w1") == store.raw("HGET", BEATS, "w2") == b"2"
    assert store.raw("HEXISTS", BEATS, "gone") == 0


# read, leave


def test_unknown_job_reads_as_nothing(store: Store) -> None:
    assert store.read("nobody", gateway="g1") is None
    assert not store.exists("athena:job:nobody")


def test_reading_with_a_gateway_attaches_it_once(store: Store) -> None:
    store.submit("j1", gateway="g1")

    store.read("j1", gateway="g2")
    store.read("j1", gateway="g2")
    store.read("j1", gateway="g1")

    assert store.field("j1", "gateways") == b"g1,g2"


def test_reading_a_final_job_attaches_nobody(store: Store) -> None:
    job = take_one(store, "j1")
    store.finish("j1", job.token)

    record = store.read("j1", gateway="g1")

    assert record is not None
    assert record.result == b'{"text":1}'
    assert store.field("j1", "gateways") == b""


def test_reading_an_overdue_job_expires_it(store: Store, ear: Ear) -> None:
    store.submit("j1", max_queue_s=0, gateway="g1")

    record = store.read("j1")

    assert record is not None
    assert (record.state, record.code) == (JobState.EXPIRED, 10114)
    _, (reply,) = ear.next()
    assert reply.state is JobState.EXPIRED


def test_running_job_does_not_expire(store: Store) -> None:
    job = take_one(store, "j1")
    store.start(job)
    store.raw("HSET", "athena:job:j1", "expires_ms", 1)

    record = store.record("j1")

    assert record.state is JobState.RUNNING


def test_job_that_nobody_waits_for_is_canceled(store: Store, ear: Ear) -> None:
    store.submit("j1", abandonable=True, gateway="g1")

    canceled = store.leave("j1", "g1")

    record = store.record("j1")
    assert canceled == 1
    assert (record.state, record.code) == (JobState.CANCELED, 10101)
    assert store.take() == []


def test_job_that_another_gateway_waits_for_goes_on(store: Store, ear: Ear) -> None:
    store.submit("j1", abandonable=True, gateway="g1")
    store.read("j1", gateway="g2")

    first = store.leave("j1", "g1")
    second = store.leave("j1", "g2")

    assert (first, second) == (0, 1)
    assert store.state("j1") is JobState.CANCELED


def test_job_that_can_be_found_again_goes_on(store: Store) -> None:
    store.submit("j1", request_id="r1", body_hash="h", gateway="g1")

    canceled = store.leave("j1", "g1")

    assert canceled == 0
    assert store.state("j1") is JobState.QUEUED
    assert store.field("j1", "gateways") == b""


def test_leaving_a_final_job_changes_nothing(store: Store) -> None:
    job = take_one(store, "j1", abandonable=True, gateway="g1")
    store.finish("j1", job.token)

    assert store.leave("j1", "g1") == 0
    assert store.leave("nobody", "g1") == 0
    assert store.record("j1").state is JobState.SUCCEEDED


# a full Redis


@pytest.fixture
def fill(store: Store) -> Iterator[Callable[[], None]]:
    """Returns a function that makes Redis believe that its memory is used up."""

    def fill() -> None:
        # All scripts are known before: loading one needs memory too.
        store.raw("CONFIG", "SET", "maxmemory", 1)
        with pytest.raises(ResponseError, match=r"OOM|maxmemory"):
            store.raw("SET", "x", "y")

    yield fill
    store.raw("CONFIG", "SET", "maxmemory", 0)


def test_full_redis_still_finishes_jobs(store: Store, fill: Callable[[], None]) -> None:
    store.put_payload("j1", b"data")
    job = take_one(store, "j1", claim=True)
    store.finish("nobody", "1.1:w1")
    fill()

    verdict = store.finish("j1", job.token)

    assert verdict == 1
    store.raw("CONFIG", "SET", "maxmemory", 0)
    assert store.record("j1").result == b'{"text":1}'


def test_full_redis_still_hands_out_and_takes_back_jobs(store: Store, fill: Callable[[], None]) -> None:
    store.submit("j1")
    store.give_back(*store.take(1))
    fill()

    (job,) = store.take(1)
    count = store.give_back(job)

    assert (job.job_id, count) == ("j1", 1)


def test_full_redis_still_passes_on_the_jobs_of_a_dead_worker(store: Store, fill: Callable[[], None]) -> None:
    take_one(store, "j1")
    store.fence(incarnation="nobody")
    fill()

    returned = store.fence()

    assert returned == (1, 0)
    assert store.queued() == ["j1"]


def test_full_redis_refuses_new_jobs(store: Store, fill: Callable[[], None]) -> None:
    store.submit("j1")
    fill()

    refused = store.submit_all(submission("j2"), submission("j3", queue=CPU_QUEUE))

    assert [verdict.split(b" ")[0] for verdict in refused] == [b"failed", b"failed"]
    assert all(b"OOM" in verdict or b"maxmemory" in verdict for verdict in refused)
    assert store.queued() == ["j1"]
    assert store.read("j2") is None


def test_full_redis_refuses_new_jobs_beside_one_that_is_attached(
    store: Store, fill: Callable[[], None]
) -> None:
    store.submit("j1", request_id="r1", body_hash="h", gateway="g1")
    store.put_payload("j2", b"data")
    store.put_payload("j4", b"data")
    fill()

    again = submission("j2", request_id="r1", body_hash="h", gateway="g2", claim=True)
    attached, *refused = store.submit_all(again, submission("j4", claim=True), submission("j3"))

    assert attached == b"attached j1 queued"
    assert [verdict.split(b" ")[0] for verdict in refused] == [b"failed", b"failed"]
    assert store.field("j1", "gateways") == b"g1,g2"
    assert not store.exists(payload_key("j2"))
    assert not store.exists(payload_key("j4"))
