"""Who is alive, and where a request goes."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from athena.devices.inventory import Inventory
from athena.errors import UnservedError
from athena.fleet.host_report import STALE_AFTER_S, HostReport, WorkerStatus
from athena.fleet.routing import Hints
from athena.fleet.view import DEAD_AFTER_S, FAILURE_SHOWN_S, REROUTE_AFTER_S, Failure, FleetView
from athena.fleet.worker_entry import WorkerEntry
from athena.jobs.record import JobRecord
from athena.protocol.interface import Interface, Limits

GOLDEN = Path(__file__).parents[2] / "contract" / "worker_entry.json"
GRACE_S = 60.0


def interface(*gpu_types: str, fallback: bool = True) -> Interface:
    return Interface("ocr", "v1", "", (), (), (), gpu_types or ("T4G16", "cpu"), fallback, Limits())


def observe(view: FleetView, now_s: float, beat: int, *gpu_types: str, service_id: str = "ocr") -> None:
    """Shows a fleet with one worker of each type, whose counters stand at `beat`."""
    workers, beats = {}, {}
    for gpu_type in gpu_types:
        incarnation = f"{service_id}-{gpu_type}"
        entry = WorkerEntry(incarnation, f"{incarnation}@host", service_id, "v1", gpu_type, 4)
        workers[incarnation.encode()] = entry.encode()
        beats[incarnation.encode()] = str(beat).encode()
    view.observe(now_s, workers, beats)


def watch_silence(view: FleetView, *gpu_types: str) -> None:
    """Shows workers whose counters stand still, from second 0 to 7."""
    for second in range(8):
        observe(view, second, 1, *gpu_types)


@pytest.fixture
def view() -> FleetView:
    return FleetView(GRACE_S, 0.0)


def test_entry_is_written_as_the_contract_says() -> None:
    entry = WorkerEntry.decode(GOLDEN.read_bytes())

    assert entry == WorkerEntry("0123456789abcdef" * 2, "echo.cpu.0@host", "echo", "v1", "cpu", 64)
    assert json.loads(entry.encode()) == json.loads(GOLDEN.read_text())


def test_members_of_a_later_version_are_ignored() -> None:
    document = {**json.loads(GOLDEN.read_text()), "later": 1}

    assert WorkerEntry.decode(json.dumps(document).encode()) == WorkerEntry.decode(GOLDEN.read_bytes())


def test_worker_is_alive_as_long_as_its_counter_moves(view: FleetView) -> None:
    for second in range(20):
        observe(view, second, second, "cpu")

    assert len(view.live_workers(19 + DEAD_AFTER_S, "ocr")) == 1
    assert view.live_workers(19 + DEAD_AFTER_S + 0.1, "ocr") == []


def test_silence_does_not_count_while_redis_takes_no_writes(view: FleetView) -> None:
    entry = WorkerEntry("w1", "ocr@host", "ocr", "v1", "cpu", 4)
    for second in range(30):
        takes_writes = not 2 <= second < 20
        view.observe(second, {b"w1": entry.encode()}, {b"w1": b"1"}, takes_writes)
        alive = view.live_workers(second)
        assert bool(alive) is (second <= 19 + DEAD_AFTER_S), second


def test_counter_that_moves_again_brings_a_worker_back(view: FleetView) -> None:
    watch_silence(view, "cpu")
    alive, dead = view.live_workers(7, "ocr"), view.dead_workers(7)

    observe(view, 8, 2, "cpu")

    assert (alive, [worker.gpu_type for worker in dead]) == ([], ["cpu"])
    assert len(view.live_workers(8, "ocr")) == 1
    assert view.dead_workers(8) == []


def test_observer_that_was_away_declares_nobody_dead(view: FleetView) -> None:
    observe(view, 0, 1, "cpu")
    # As after an outage of Redis: the supervisor could not count either.
    observe(view, 30, 1, "cpu")
    at_once = view.dead_workers(30)
    for second in range(31, 37):
        observe(view, second, 1, "cpu")

    assert at_once == []
    assert len(view.dead_workers(36)) == 1


def test_worker_that_signs_off_is_gone_at_once(view: FleetView) -> None:
    observe(view, 0, 1, "cpu", "T4G16")

    observe(view, 1, 2, "cpu")

    assert [worker.gpu_type for worker in view.live_workers(1)] == ["cpu"]


@pytest.mark.parametrize(
    ("alive", "wanted", "queue"),
    [
        (["cpu", "T4G16"], "", "ocr.any"),
        (["cpu", "T4G16"], "any", "ocr.any"),
        (["cpu", "T4G16"], "cpu", "ocr.cpu"),
        (["cpu", "T4G16"], "T4G16", "ocr.T4G16"),
        (["cpu", "T4G16"], "A100G80", "ocr.T4G16"),
        (["cpu"], "T4G16", "ocr.cpu"),
        (["V100G32"], "T4G16", "ocr.any"),
        (["V100G32"], "V100G32", "ocr.V100G32"),
    ],
)
def test_request_goes_to_its_type_or_to_what_is_alive(
    view: FleetView, alive: list[str], wanted: str, queue: str
) -> None:
    observe(view, 0, 1, *alive)

    assert view.route(0, interface(), Hints(wanted)).queue == queue


def test_ability_may_forbid_another_type(view: FleetView) -> None:
    observe(view, 0, 1, "cpu")

    with pytest.raises(UnservedError) as error:
        view.route(0, interface(fallback=False), Hints("T4G16"))

    assert error.value.message == "ocr has no worker of type T4G16 and allows no other; alive: cpu"
    assert (error.value.code, error.value.http_status, error.value.retryable) == (10225, 503, True)


def test_requests_are_accepted_for_a_while_after_the_last_worker(view: FleetView) -> None:
    observe(view, 0, 1, "cpu")
    observe(view, 1, 1)

    assert view.route(GRACE_S, interface(), Hints("")).queue == "ocr.any"
    with pytest.raises(UnservedError, match="no worker serves ocr at the moment"):
        view.route(GRACE_S + 1, interface(), Hints(""))


@pytest.mark.parametrize("on_demand", ["ocr", "*"])
def test_requests_for_an_ability_on_demand_are_accepted_however_long_no_worker_was_there(
    on_demand: str,
) -> None:
    view = FleetView(GRACE_S, 0.0, (on_demand,))

    assert view.route(100 * GRACE_S, interface(), Hints("T4G16")).queue == "ocr.T4G16"
    view.observe_failures(0, {b"ocr": Failure("no model", 0).encode()})
    assert view.route(100 * GRACE_S, interface(), Hints("")).queue == "ocr.any"


def test_another_ability_on_demand_changes_nothing() -> None:
    view = FleetView(GRACE_S, 0.0, ("echo",))

    with pytest.raises(UnservedError):
        view.route(GRACE_S + 1, interface(), Hints(""))


def test_requests_are_accepted_for_a_while_after_the_own_start(view: FleetView) -> None:
    assert view.route(GRACE_S, interface(), Hints("T4G16")).queue == "ocr.T4G16"
    with pytest.raises(UnservedError):
        view.route(GRACE_S + 1, interface(), Hints("T4G16"))


def test_worker_of_another_ability_serves_nothing_here(view: FleetView) -> None:
    observe(view, 100, 1, "cpu", service_id="echo")

    with pytest.raises(UnservedError):
        view.route(100, interface(), Hints(""))


def test_refusal_says_why_the_ability_does_not_start(view: FleetView) -> None:
    view.observe_failures(1000, {b"ocr": Failure("no model", 990).encode()})

    with pytest.raises(UnservedError, match="at the moment; it does not start: no model"):
        view.route(GRACE_S + 1, interface(), Hints(""))


def test_refusal_says_that_the_worker_is_broken(view: FleetView) -> None:
    view.observe_failures(1000, {b"ocr": Failure("no licence", 990, is_broken=True).encode()})

    with pytest.raises(UnservedError, match="at the moment; its worker is broken: no licence"):
        view.route(GRACE_S + 1, interface(), Hints(""))
    assert view.failure_reason("ocr") == "worker_broken"
    assert view.unserved_because_broken(GRACE_S + 1) == ["ocr"]


def test_ability_with_a_sound_worker_is_served(view: FleetView) -> None:
    observe(view, 100, 1, "cpu")
    view.observe_failures(1000, {b"ocr": Failure("no licence", 990, is_broken=True).encode()})

    assert view.unserved_because_broken(100) == []


def test_failure_of_an_earlier_version_is_read(view: FleetView) -> None:
    view.observe_failures(1000, {b"ocr": b'{"detail": "no model", "at_s": 990}'})

    assert view.failure_reason("ocr") == "worker_failing"
    assert view.failure_reason("echo") == ""


def test_old_failure_is_not_shown(view: FleetView) -> None:
    view.observe_failures(1000 + FAILURE_SHOWN_S, {b"ocr": Failure("no model", 990).encode()})

    assert view.failures == {}


def test_request_without_a_wish_goes_where_no_other_type_is_allowed(view: FleetView) -> None:
    observe(view, 0, 1, "cpu")

    assert view.route(0, interface(fallback=False), Hints("any")).queue == "ocr.any"
    assert view.route(0, interface(fallback=False), Hints("cpu")).queue == "ocr.cpu"


def test_dead_worker_is_no_reason_for_its_queue(view: FleetView) -> None:
    watch_silence(view, "T4G16", "cpu")
    now_s = 7
    beats = {b"ocr-T4G16": b"1", b"ocr-cpu": b"2"}
    workers = {
        key: WorkerEntry(key.decode(), "w", "ocr", "v1", key.decode().partition("-")[2], 4).encode()
        for key in beats
    }

    view.observe(now_s, workers, beats)

    assert view.route(now_s, interface(), Hints("T4G16")).queue == "ocr.cpu"
    assert [worker.gpu_type for worker in view.live_workers(now_s)] == ["cpu"]


def test_worker_whose_supervisor_has_not_counted_yet_is_alive_at_first(view: FleetView) -> None:
    entry = WorkerEntry.decode(GOLDEN.read_bytes())

    view.observe(0, {entry.incarnation.encode(): entry.encode()}, {})

    assert view.live_workers(DEAD_AFTER_S) == [entry]
    assert view.live_workers(DEAD_AFTER_S + 0.1) == []


def test_ability_says_why_it_does_not_start_only_when_nobody_serves_it(view: FleetView) -> None:
    observe(view, 1000, 1, "cpu")
    view.observe_failures(1000, {b"ocr": Failure("no model", 990).encode()})

    assert view.route(1000, interface(), Hints("")).queue == "ocr.any"
    assert view.failures == {"ocr": "no model"}


def test_restart_of_the_last_worker_refuses_nobody_even_without_fallback(view: FleetView) -> None:
    observe(view, 0, 1, "T4G16")
    observe(view, 1, 1)

    assert view.route(1, interface(fallback=False), Hints("T4G16")).queue == "ocr.T4G16"
    with pytest.raises(UnservedError, match="alive: none"):
        view.route(1, interface(fallback=False), Hints("V100G32"))


# jobs that nobody takes


def report(told_s: float, state: str) -> dict[bytes, bytes]:
    """Returns what a supervisor tells of a worker on an A100."""
    worker = WorkerStatus("ocr.a@host", "ocr", "A100G80", "GPU-a", state)
    told_ms = int(told_s * 1000)
    return {b"host:1": HostReport("host", told_ms, told_ms, Inventory(), (), (worker,)).encode()}


@pytest.mark.parametrize(
    ("state", "age_s", "counts"),
    [
        ("loading", 1, True),
        ("loading", STALE_AFTER_S + 1, False),
        ("down", 1, False),
        ("stopping", 1, False),
    ],
)
def test_type_that_loads_is_not_lost(view: FleetView, state: str, age_s: float, counts: bool) -> None:
    later_s = REROUTE_AFTER_S + 1
    observe(view, 0, 1, "A100G80", "T4G16")
    observe(view, later_s, 2, "T4G16")
    view.observe_hosts(1000, report(1000 - age_s, state))

    moves = view.rerouting(later_s, interface("A100G80", "T4G16"))

    assert moves.target == "T4G16"
    assert moves.live == {"any", "T4G16", *(("A100G80", "GPU-a") if counts else ())}


def test_ability_loads_until_it_has_a_worker_or_fails(view: FleetView) -> None:
    assert view.loading(0) == []
    view.observe_hosts(1000, report(1000, "loading"))
    assert view.loading(0) == ["ocr"]

    view.observe_failures(1000, {b"ocr": Failure("no model", 1000).encode()})
    assert view.loading(0) == []
    view.observe_failures(1000, {})
    assert view.loading(0) == ["ocr"]

    observe(view, 1, 1, "T4G16")
    assert view.loading(1) == []


@pytest.mark.parametrize(("age_s", "counts"), [(1, True), (STALE_AFTER_S + 1, False)])
def test_worker_that_gave_its_batches_up_is_known(view: FleetView, age_s: float, counts: bool) -> None:
    told_ms = int((1000 - age_s) * 1000)
    workers = tuple(
        WorkerStatus(f"ocr.{reason}@host", "ocr", "cpu", "", "serving", reason) for reason in ("", "short")
    )
    encoded = HostReport("host", told_ms, told_ms, Inventory(), (), workers).encode()
    assert HostReport.decode(encoded).workers == workers

    view.observe_hosts(1000, {b"host:1": encoded})
    assert view.unbatched == ({"ocr.short@host": "short"} if counts else {})
    view.observe_hosts(1000, {})
    assert view.unbatched == {}


def test_type_that_was_lost_for_long_is_forgotten(view: FleetView) -> None:
    observe(view, 0, 1, "A100G80", "T4G16")
    for second in range(1, 30):
        observe(view, second, second + 1, "T4G16")

    assert view.rerouting(30, interface("A100G80", "T4G16")).live == {"any", "T4G16"}
    assert len(view._targets_seen["ocr"]) == 1


# entries that nobody can read


NONSENSE = [b"{}", b"[]", b"no JSON", b"\xff", b"null", b'{"service_id": 1}']


@pytest.mark.parametrize("nonsense", NONSENSE)
def test_entry_that_cannot_be_read_hides_no_other(
    view: FleetView, nonsense: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    good = WorkerEntry("w1", "ocr@host", "ocr", "v1", "cpu", 4).encode()
    untyped = good.replace(b'"cpu"', b"null")

    for second in range(8):
        workers = {b"w1": good, b"copy": good, b"w2": untyped, b"\xff": good, b"bad" + nonsense: nonsense}
        view.observe(second, workers, {b"w1": b"%d" % second, b"w2": b"soon"})
    view.observe_failures(1000, {b"x": nonsense, b"ocr": Failure("no model", 990).encode()})
    view.observe_hosts(1000, {b"x": nonsense, b"y": b'{"state":"loading"}', **report(1000, "loading")})

    assert [worker.incarnation for worker in view.live_workers(7)] == ["w1"]
    assert view.dead_workers(7) == []
    assert view.failures == {"ocr": "no model"}
    assert "A100G80" in view.rerouting(REROUTE_AFTER_S, interface()).live
    told = [record.getMessage() for record in caplog.records]
    assert len([text for text in told if "b'bad" in text]) == 1


# why a job waits


def queued(**fields: str) -> JobRecord:
    known = {"state": "queued", "queue": "ocr.any", **fields}
    return JobRecord.decode("j1", {name.encode(): value.encode() for name, value in known.items()})


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({}, "waiting_for_slot: the workers are busy"),
        ({"queue": "ocr.cpu"}, "waiting_for_slot: the workers are busy"),
        ({"queue": "ocr.T4G16"}, "no_worker: none of type T4G16 is alive; alive: cpu"),
        ({"queue": "tts.any"}, "no_worker: no worker of tts is alive"),
        (
            {"last_failure": "killed"},
            "waiting_for_slot: the workers are busy (it is tried again: killed)",
        ),
    ],
)
def test_queued_job_says_why_it_waits(view: FleetView, fields: dict[str, str], text: str) -> None:
    observe(view, 0, 1, "cpu")

    assert view.why_queued(0, queued(**fields)) == text


def test_job_of_a_paused_queue_says_so(view: FleetView) -> None:
    record = replace(queued(), is_paused=True)

    assert view.why_queued(0, record) == "queue_paused: an operator has paused ocr.any"


def test_job_behind_one_that_no_worker_reads_waits_for_a_newer_worker(view: FleetView) -> None:
    record = replace(queued(), queue_waits="needs_newer_worker: version 2")

    assert view.why_queued(0, record) == "needs_newer_worker: version 2"


def test_job_of_an_ability_that_does_not_start_says_so(view: FleetView) -> None:
    view.observe_failures(1000.0, {b"ocr": Failure("no model", 1000.0).encode()})

    assert view.why_queued(0, queued()) == "worker_failing: no model"


def test_job_of_an_ability_that_is_broken_says_so(view: FleetView) -> None:
    view.observe_failures(1000.0, {b"ocr": Failure("no licence", 1000.0, is_broken=True).encode()})

    assert view.why_queued(0, queued()) == "worker_broken: no licence"
