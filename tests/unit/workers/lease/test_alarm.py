"""The alarm that wakes a worker's loop."""

import threading
import time

from workers.lease.alarm import Alarm


def test_alarm_rings_once_for_each_set() -> None:
    rung = threading.Semaphore(0)
    alarm = Alarm(rung.release)

    for _ in range(2):
        alarm.set(0.01)
        assert rung.acquire(timeout=60)

    assert not rung.acquire(timeout=0.1)


def test_later_set_replaces_an_earlier_one() -> None:
    times: list[float] = []
    alarm = Alarm(lambda: times.append(time.monotonic()))
    began_s = time.monotonic()

    alarm.set(60)
    alarm.set(0.05)
    while not times:
        assert time.monotonic() - began_s < 60
        time.sleep(0.01)

    assert times[0] - began_s >= 0.05
