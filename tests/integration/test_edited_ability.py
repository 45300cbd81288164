"""An ability that is edited while its worker process runs: what the next process does."""

import base64
import signal
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from athena.ability.manifest import load_ability
from athena.fleet.view import Failure
from athena.jobs.celery_message import encode_message
from athena.jobs.message import make_message
from athena.protocol.enums import JobState
from athena.protocol.envelope import InputValue
from athena.protocol.interface import Interface
from athena.settings import from_env
from athena.store.fencing import Beat
from athena.store.keys import ABILITIES, FAILURES, ORDERS
from athena.supervisor.ability_reading import AbilityReading
from athena.supervisor.heartbeat import FleetKeeper
from athena.supervisor.placement.plan import Placement
from athena.supervisor.worker_child import WorkerChild
from tests.conftest import wait_until

from .conftest import Store

pytestmark = pytest.mark.redis

#: Each call goes on until the file `go` is there.
WRAPPER = """
import os, time
from athena.sdk import Response, ResponseData, StringBodyField, WrapperBase

class Request:
    text = StringBodyField(key="text")

class Wrapper(WrapperBase):
    serviceId = "edited"
    requestCls = Request()
    responseCls = Request()

    def wrapperInit(self, config):
        self.word = config["word"]
        return 0

    def wrapperOnceExec(self, params, reqData):
        return self.wrapperBatchExec([params], [reqData])[0]

    def wrapperBatchExec(self, params_list, req_list):
        while not os.path.exists("go"):
            time.sleep(0.01)
        return [self.answer() for _ in req_list]

    def answer(self):
        response = Response()
        response.list = [ResponseData(key="text", data=self.word.encode(), type=0)]
        return response
"""


class Served:
    """An ability's folder and its worker."""

    def __init__(self, folder: Path, store: Store, redis_url: str) -> None:
        self.folder = folder
        self.toml = folder / "ability.toml"
        self.store = store
        (folder / "wrapper.py").write_text(WRAPPER)
        self.edit()
        settings = from_env({"ATHENA_REDIS_URL": redis_url, "ATHENA_GRACE_S": "10"})
        reading = AbilityReading(load_ability(folder))
        keeper = FleetKeeper(redis_url, settings)
        self.worker = WorkerChild(reading, Placement("edited", "cpu"), keeper, settings)
        self.start()

    def edit(self, worker: str = "", word: str = "first") -> None:
        text = f'[worker]\nslots = 64\nmax_wait_ms = 5000\n{worker}\n[config]\nword = "{word}"\n'
        self.toml.write_text(text)

    def start(self) -> None:
        self.worker.spawn()
        wait_until(self.worker.check_ready, "the worker is ready", 20)
        self.worker.now_serves()

    def await_end(self) -> None:
        """Waits for the process, and does what its supervisor does then."""
        assert self.worker.process is not None
        self.worker.process.wait(60)
        self.worker.process = None
        self.worker.on_exit(0)

    def restart(self) -> None:
        assert self.worker.restart()
        self.await_end()
        self.start()

    def order(self, word: str) -> None:
        """Has the worker hear of an operator's order, as with a heartbeat."""
        self.store.raw("HSET", ORDERS, self.worker.node_name, word)
        self.worker.on_beat(Beat(False, frozenset()), word)

    def submit(self, *job_ids: str) -> None:
        for job_id in job_ids:
            item = InputValue("text", 0, 3, "aGk=", b"hi", {})
            message, _ = make_message(job_id, "edited", {}, [item], {}, 1000)
            queue = "edited.any"
            changes = {"service_id": "edited", "queue": queue, "message": encode_message(message, queue)}
            assert self.store.submit(job_id, **changes) == [b"accepted"]

    def sizes(self) -> list[int]:
        """Returns how many jobs are in each call that goes on, by the board."""
        return [len(call.job_ids) for call in self.worker._calls() or []]

    def await_sizes(self, expected: list[int]) -> None:
        wait_until(lambda: self.sizes() == expected, f"{expected} on the board", 20)

    def await_final(self, job_id: str) -> None:
        wait_until(lambda: self.store.state(job_id).is_final, f"{job_id} ends", 20)
        assert self.store.state(job_id) is JobState.SUCCEEDED

    def finish(self, *job_ids: str) -> set[bytes | None]:
        """Lets calls end; returns the answers."""
        (self.folder / "go").touch()
        for job_id in job_ids:
            self.await_final(job_id)
        (self.folder / "go").unlink()
        return {self.store.record(job_id).result for job_id in job_ids}


@pytest.fixture
def served(
    tmp_path: Path, store: Store, redis_server: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Served]:
    monkeypatch.setenv("ATHENA_REDIS_URL", redis_server)
    served = Served(tmp_path, store, redis_server)
    yield served
    (tmp_path / "go").touch()
    if served.worker.is_running:
        served.worker.signal(signal.SIGKILL)
        served.await_end()


def answer(word: str) -> bytes:
    text = base64.b64encode(word.encode()).decode()
    return orjson.dumps({"text": {"seq": 0, "status": 3, "text": text}})


def names(prefix: str, count: int) -> list[str]:
    return [f"{prefix}{number}" for number in range(count)]


@pytest.mark.parametrize("option", ["max_batch", "concurrency"])
def test_board_fits_what_the_next_process_does(served: Served, option: str) -> None:
    """Up, down, and up again: all jobs that run are on the board."""
    for size in (8, 1, 4):
        served.edit(f"{option} = {size}")
        served.restart()
        jobs = names(f"{size}-", size)
        served.submit(*jobs)
        calls = [size] if option == "max_batch" else [1] * size
        served.await_sizes(calls)
        served.finish(*jobs)


def test_jobs_of_a_larger_batch_are_all_blamed(served: Served) -> None:
    served.edit("max_batch = 8")
    served.restart()
    jobs = names("j", 8)
    served.submit(*jobs)
    served.await_sizes([8])

    served.worker.signal(signal.SIGKILL)
    served.await_end()

    assert [served.store.record(job_id).deaths for job_id in jobs] == [1] * 8


def test_next_process_has_all_of_the_edit(served: Served) -> None:
    served.submit("before")
    before = served.finish("before")
    served.edit("max_batch = 2\n[limits]\nmax_exec_s = 7", word="second")

    # A process that ends by itself is followed by one of the present folder, too.
    served.worker.signal(signal.SIGTERM)
    served.await_end()
    served.start()
    served.submit("after-1", "after-2")

    assert (before, served.finish("after-1", "after-2")) == ({answer("first")}, {answer("second")})
    interface = Interface.decode(served.store.raw("HGET", ABILITIES, "edited"))
    assert interface.limits.max_exec_s == served.worker.ability.limits.max_exec_s == 7


def test_edit_between_the_reading_and_the_start_counts_for_the_next_process(served: Served) -> None:
    served.worker.signal(signal.SIGTERM)
    served.await_end()
    served.edit("max_batch = 2")

    served.worker.spawn()
    served.toml.write_text("broken")
    wait_until(served.worker.check_ready, "the worker is ready", 20)
    served.submit("a", "b")

    served.await_sizes([2])
    served.finish("a", "b")


def test_refused_restart_leaves_the_process_that_serves(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    assert served.worker.process is not None
    pid = served.worker.process.pid
    served.submit("running")
    wait_until(served.sizes, "a job runs", 20)
    served.toml.write_text("[worker\n")

    served.order("restart")

    assert (served.worker.process.pid, served.worker.is_leaving) == (pid, False)
    assert served.finish("running") == {answer("first")}
    served.submit("after")
    assert served.finish("after") == {answer("first")}
    failure = Failure.decode(served.store.raw("HGET", FAILURES, "edited")).detail
    assert failure.startswith(f"{served.toml}: ") and "line 1" in failure
    assert f"worker edited is not restarted: {failure}" in caplog.messages
    assert not served.store.raw("HEXISTS", ORDERS, served.worker.node_name)


def test_process_that_dies_while_the_folder_is_broken_starts_as_it_was_read_last(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    served.edit("max_batch = 2", word="good")
    served.restart()
    served.toml.write_text("nonsense = 1")

    served.worker.signal(signal.SIGKILL)
    served.await_end()
    served.start()
    served.submit("a", "b")

    served.await_sizes([2])
    assert served.finish("a", "b") == {answer("good")}
    problem = f"{served.toml}: unknown key 'nonsense'; known are "
    assert Failure.decode(served.store.raw("HGET", FAILURES, "edited")).detail.startswith(problem)
    assert any(
        line.startswith(f"worker edited starts with what was read before: {problem}")
        for line in caplog.messages
    )

    served.edit(word="mended")
    served.restart()
    served.submit("c")

    assert served.finish("c") == {answer("mended")}
    assert not served.store.raw("HEXISTS", FAILURES, "edited")


def test_drained_worker_whose_folder_is_broken_stays_drained(served: Served) -> None:
    served.order("drain")
    served.await_end()
    served.toml.write_text("[worker\n")

    served.order("restart")

    assert not served.worker.is_wanted
    assert served.store.raw("HGET", ORDERS, served.worker.node_name) == b"drain"
    served.edit(word="mended")
    served.order("restart")
    assert served.worker.is_wanted
    assert not served.store.raw("HEXISTS", ORDERS, served.worker.node_name)


def test_large_config_reaches_the_wrapper(served: Served) -> None:
    """More than one variable of the environment may hold."""
    served.edit(word="w" * 200_000)
    served.restart()
    served.submit("j")

    assert served.finish("j") == {answer("w" * 200_000)}
