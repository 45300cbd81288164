"""Who is awake when during a call, and who wakes whom, out of the system calls of all threads."""

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from benchmarks.one_call.trace_lines import Address, SystemCall

CLIENT = "client"

#: A call that waits for longer than this was asleep, whoever has woken it.
LONG_S = 0.0003


@dataclass(frozen=True)
class HandOver:
    """Something that one thread has sent and another has got.

    Attributes:
        woke_s: when the receiver went on; that is when it has read it where it was awake anyway.
        read_s: when the receiver had it.
        is_lock: a lock that one gives and the other waits for.
        place: which one it is on the call's way, from 1; 0 beside the way.
    """

    sender: str
    receiver: str
    sent_s: float
    woke_s: float
    read_s: float
    is_lock: bool = False
    place: int = 0


@dataclass(frozen=True)
class Bar:
    """For how long a lane was awake."""

    lane: str
    began_s: float
    ended_s: float


@dataclass(frozen=True)
class OneCall:
    """A call: from the request's first byte to the answer's last, and what happened meanwhile."""

    began_s: float
    ended_s: float
    bars: list[Bar]
    hand_overs: list[HandOver]

    @property
    def way(self) -> list[HandOver]:
        """The hand-overs without which there is no answer, the answer being the last."""
        return sorted((one for one in self.hand_overs if one.place), key=lambda one: one.place)

    @property
    def changes(self) -> int:
        """How often the request changes hands until the answer leaves."""
        return max(0, len(self.way) - 1)

    @property
    def took_s(self) -> float:
        """How long the client waited."""
        return self.ended_s - self.began_s


class Trace:
    """The system calls of threads that have a lane each, over many calls of one client."""

    def __init__(self, calls: Sequence[SystemCall], lanes: Mapping[int, str]) -> None:
        by_lane: dict[str, list[SystemCall]] = {lane: [] for lane in lanes.values()}
        for call in calls:
            if call.thread in lanes:
                by_lane[lanes[call.thread]].append(call)
        self._by_lane = {lane: sorted(own, key=lambda one: one.began_s) for lane, own in by_lane.items()}
        self._sent = self._sends()
        self._hand_overs: list[HandOver] = []
        self._sleeps: dict[str, list[tuple[float, float]]] = {}
        for lane, own in self._by_lane.items():
            self._read(lane, own)
        self._hand_overs.sort(key=lambda one: one.sent_s)

    def one_calls(self) -> Iterator[OneCall]:
        """Yields the client's calls whose way can be followed from end to begin."""
        for began_s, ended_s in self._windows():
            within = [one for one in self._hand_overs if began_s <= one.sent_s and one.woke_s <= ended_s]
            way = shortened(way_of(within))
            if not way:
                continue
            places = {one: number for number, one in enumerate(way, 1)}
            marked = [replace(one, place=places.get(one, 0)) for one in within]
            yield OneCall(began_s, ended_s, list(self._bars(began_s, ended_s)), marked)

    def _sends(self) -> dict[Address, list[tuple[float, str]]]:
        sent: dict[Address, list[tuple[float, str]]] = {}
        for lane, own in self._by_lane.items():
            for call in own:
                if call.sends:
                    sent.setdefault(call.sends, []).append((call.began_s, lane))
        return {address: sorted(items) for address, items in sent.items()}

    def _sender(self, call: SystemCall, lane: str) -> tuple[float, str] | None:
        """Returns who sent what a call has received, and when: the last one before it had it."""
        items = self._sent.get(call.receives, []) if call.receives else []
        for sent_s, sender in reversed(items[: bisect_right(items, (call.ended_s, "~"))]):
            if sender != lane:
                return None if call.is_lock and sent_s < call.began_s else (sent_s, sender)
        return None

    def _read(self, lane: str, own: Sequence[SystemCall]) -> None:
        """Finds the sleeps of a lane, and what it has got."""
        sleeps: list[SystemCall] = []
        waits: list[SystemCall] = []
        for call in own:
            sender = self._sender(call, lane)
            if sender is None:
                waits += [call] if call.may_sleep else []
                continue
            sent_s, other = sender
            blocked = next((one for one in (*waits, call) if one.began_s <= sent_s <= one.ended_s), None)
            sleeps += [one for one in waits if one is blocked or _slept(one)]
            sleeps += [call] if call is blocked else []
            woke_s = blocked.ended_s if blocked else call.ended_s
            self._hand_overs.append(HandOver(other, lane, sent_s, woke_s, call.ended_s, call.is_lock))
            waits = []
        sleeps += waits
        self._sleeps[lane] = [(one.began_s, one.ended_s) for one in sleeps]

    def _windows(self) -> Iterator[tuple[float, float]]:
        """Yields from when to when the client waited for each answer."""
        began_s = ended_s = 0.0
        for call in self._by_lane[CLIENT]:
            if call.sends and not call.is_lock:
                if ended_s > began_s > 0:
                    yield began_s, ended_s
                    began_s = 0.0
                began_s = began_s or call.began_s
            elif call.receives and not call.is_lock:
                ended_s = call.ended_s
        if ended_s > began_s > 0:
            yield began_s, ended_s

    def _bars(self, began_s: float, ended_s: float) -> Iterator[Bar]:
        """Yields what lies between the sleeps."""
        for lane, sleeps in self._sleeps.items():
            within = [one for one in sleeps if one[1] > began_s and one[0] < ended_s]
            edges = [(began_s, began_s), *within, (ended_s, ended_s)]
            for (_, woke_s), (slept_s, _) in pairwise(edges):
                if slept_s > woke_s:
                    yield Bar(lane, woke_s, slept_s)


def _slept(call: SystemCall) -> bool:
    """Returns whether a call that may sleep did so, where nothing tells who has woken it."""
    return call.number <= 0 or call.ended_s - call.began_s > LONG_S


def way_of(hand_overs: Sequence[HandOver]) -> list[HandOver]:
    """Returns the way of a call, found from its end: what its sender has got last before it sent, and so on.

    It is empty where it does not lead back to the client.
    """
    to_client = [one for one in hand_overs if one.receiver == CLIENT and not one.is_lock]
    if not to_client:
        return []
    way = [max(to_client, key=lambda one: one.read_s)]
    while way[-1].sender != CLIENT:
        before = [
            one for one in hand_overs if one.receiver == way[-1].sender and one.read_s <= way[-1].sent_s
        ]
        if not before:
            return []
        way.append(max(before, key=lambda one: one.read_s))
    return way[::-1]


def shortened(way: Sequence[HandOver]) -> list[HandOver]:
    """Returns a way on which locks that go to and fro count once, or not at all where they end as they began.

    Threads of one interpreter give its lock to each other many times while one hands work to the other.
    """
    short: list[HandOver] = []
    locks: list[HandOver] = []
    for one in (*way, None):
        if one is not None and one.is_lock:
            locks.append(one)
            continue
        if locks and locks[0].sender != locks[-1].receiver:
            first = next(lock for lock in locks if lock.receiver == locks[-1].receiver)
            short.append(first)
        locks = []
        if one is not None:
            short.append(one)
    return short
