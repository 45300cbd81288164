"""Which queues a worker leaves alone, and when it looks at them again."""

from workers.lease.selection.queue_holds import FIRST_LOOK_S, LAST_LOOK_S, QueueHolds


def test_looks_come_ever_more_rarely_while_the_head_stays_and_never_stop() -> None:
    holds = QueueHolds()
    assert holds.hold("echo.any", "j1", 0)
    now_s, waits = 0.0, []

    for _ in range(8):
        waited_s = next(step / 100 for step in range(1000) if holds.due(now_s + step / 100))
        now_s += waited_s
        waits.append(waited_s)
        assert not holds.hold("echo.any", "j1", now_s)

    assert waits[0] == FIRST_LOOK_S
    assert waits == sorted(waits)
    assert waits[-1] == LAST_LOOK_S


def test_another_job_at_the_head_is_news() -> None:
    holds = QueueHolds()
    holds.hold("echo.any", "j1", 0)

    assert holds.hold("echo.any", "j2", 1)
    assert not holds.hold("echo.any", "j2", 2)


def test_queue_that_is_let_go_is_looked_at_no_more() -> None:
    holds = QueueHolds()
    holds.hold("echo.any", "j1", 0)

    holds.release("echo.any")
    holds.release("echo.cpu")

    assert "echo.any" not in holds
    assert holds.due(100) == []
