"""Processes that a wrapper forks, each from a thread of a process that handles signals as a worker does."""

import subprocess
import sys

#: A worker in miniature: Celery's own handlers, our guards, and a call on a thread that is not the main one.
WORKER = """
import multiprocessing, os, signal, sys, threading, time
from types import SimpleNamespace
from celery.apps import worker as handlers
from workers.runtime.dispatcher import Dispatcher, OnceArguments
from workers.runtime.process.forks import end_forks, make_forks_ordinary
from workers.runtime.process.guards import install_guards

install_guards()
make_forks_ordinary()
celery = SimpleNamespace(hostname="w@h", app=SimpleNamespace(), loglevel="INFO", logfile=None)
handlers.install_worker_term_handler(celery)
handlers.install_worker_int_handler(celery)
handlers.install_worker_term_hard_handler(celery)
handlers.install_cry_handler()
signal.set_wakeup_fd(os.pipe2(os.O_NONBLOCK)[1])

def sleep_long(): time.sleep(600)

class Wrapper:
    def wrapperOnceExec(self, params, reqData):
        global said
        said = test()

def call():
    end_forks(Dispatcher(Wrapper(), {}).once)(OnceArguments({}, None, "j1"))

said = None
def main():
    thread = threading.Thread(target=serve); thread.start(); thread.join()
    # Only the worker comes here, once.
    print("said", said, flush=True)

worker = os.getpid()
def serve():
    caught(call)
    # An inference thread would go on to its next job.
    if os.getpid() != worker: print("a second worker", flush=True)

def caught(call):
    try: call()
    except Exception as error: print(error, file=sys.stderr)
"""


def run(test: str) -> list[str]:
    """Runs a function `test` as a wrapper in a process, and returns the lines that were written."""
    code = f"{WORKER}\n{test}\nmain()\n"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_fork_ends_by_a_signal() -> None:
    test = """
def test():
    ends = []
    for number in (signal.SIGTERM, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP):
        child = multiprocessing.get_context("fork").Process(target=sleep_long)
        child.start(); os.kill(child.pid, number); child.join(60); child.kill()
        ends.append(signal.Signals(-child.exitcode).name)
    return ends
"""
    assert run(test) == [f"said {['SIGTERM', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2', 'SIGHUP']}"]


def test_signals_are_not_lost_however_early_they_come() -> None:
    test = """
def test():
    statuses = set()
    for _ in range(200):
        pid = os.fork()
        if pid == 0:
            time.sleep(600)
        os.kill(pid, signal.SIGTERM)
        statuses.add(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    return statuses
"""
    assert run(test) == ["said {-15}"]


def test_interrupt_is_an_exception_in_a_fork() -> None:
    test = """
def interrupted(ready):
    try:
        ready.set(); time.sleep(600)
    except KeyboardInterrupt:
        os._exit(7)
def test():
    fork = multiprocessing.get_context("fork")
    ready = fork.Event()
    child = fork.Process(target=interrupted, args=(ready,))
    child.start(); ready.wait()
    # One that comes between the last line of Python and the system's sleep does not end the sleep.
    for _ in range(100):
        if child.is_alive():
            os.kill(child.pid, signal.SIGINT); child.join(0.2)
    child.kill()
    return child.exitcode
"""
    assert run(test) == ["said 7"]


def test_pool_of_forks_can_be_terminated() -> None:
    # Not before a call goes on: a fork that waits for one ends by the word of its pool, without a signal.
    test = """
begun = multiprocessing.get_context("fork").Event()
def begin():
    begun.set(); sleep_long()
def test():
    pool = multiprocessing.get_context("fork").Pool(2)
    pool.apply_async(begin); begun.wait()
    pool.terminate(); pool.join()
    return "over"
"""
    assert run(test) == ["said over"]


def test_fork_does_not_go_on_as_a_second_worker() -> None:
    ways = {
        "return 'a copy'": 0,
        "sys.exit()": 0,
        "sys.exit(3)": 3,
        "sys.exit('in words')": 1,
        "raise RuntimeError": 1,
        "os._exit(4)": 4,
    }
    bodies = "\n".join(f"    if way == {index}: {way}" for index, way in enumerate(ways))
    test = f"""
def end(way):
{bodies}
def test():
    statuses = []
    for way in range({len(ways)}):
        pid = os.fork()
        if pid == 0:
            return end(way)
        statuses.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    return statuses
"""
    assert run(test) == [f"said {list(ways.values())}"]


def test_fork_may_handle_signals_itself() -> None:
    test = """
def test():
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        signal.signal(signal.SIGTERM, lambda number, frame: os._exit(9))
        os.write(write, b"x")
        time.sleep(600)
    os.read(read, 1)
    # From Python 3.13 on, a fork of a thread handles a signal only while it waits for something.
    while True:
        os.kill(pid, signal.SIGTERM)
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.05)
"""
    assert run(test) == ["said 9"]
