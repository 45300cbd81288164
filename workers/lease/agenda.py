"""What the exchange of a moment is about: what to tell Redis, what to ask it, what to take. Pure."""

from collections.abc import Iterator

from athena.fleet.worker_entry import WorkerEntry
from athena.store.lease import canceled_command, progress_command, reconcile_command, start_command
from workers.lease.bells import Bells
from workers.lease.held_jobs import HeldJobs
from workers.lease.outbox import Outbox, ticket
from workers.lease.selection.demand import Demand
from workers.lease.steps import AskCanceled, LookAtHead, Reconcile, Start, Step, Takes, Tell

#: A job's start is told to Redis and to Flower when it still runs after this long; shorter ones tell all at
#: their end.
ANNOUNCE_AFTER_S = 0.05

#: So often Redis is asked which jobs were canceled, and told how far they are.
ATTEND_S = 0.4

#: So often the jobs held here and those that Redis counts as held here are compared.
RECONCILE_S = 10.0


class Agenda:
    """The agendas of one worker, exchange by exchange."""

    def __init__(
        self,
        entry: WorkerEntry,
        held: HeldJobs,
        outbox: Outbox,
        demand: Demand,
        bells: Bells,
        takes: Takes,
    ) -> None:
        self._entry = entry
        self._held = held
        self._outbox = outbox
        self._demand = demand
        self._bells = bells
        self._takes = takes
        self._announced_s = 0.0
        self._attended_s = 0.0
        self._reconciled_s = 0.0

    def steps(self, now_s: float, may_take: bool) -> list[Step]:
        """Returns the commands of the exchange of this moment; without any, there is nothing to exchange.

        Args:
            now_s: the time.
            may_take: whether the inference threads can do with jobs.
        """
        return [
            # Before all others: jobs that are finished before would seem lost, those that are taken before
            # would go back.
            *self._reconcile(now_s),
            *self._start(now_s),
            *self._outbox.steps(self._entry),
            *self._attend(now_s),
            *self._bells.pass_on(),
            *self._look(now_s),
            *self._take(may_take),
        ]

    def note_reconciled(self, now_s: float) -> None:
        """The jobs were compared."""
        self._reconciled_s = now_s

    def _reconcile(self, now_s: float) -> Iterator[Step]:
        outbox = self._outbox
        if now_s - self._reconciled_s >= RECONCILE_S:
            outbox.must_reconcile = True
        # Not while jobs may be on their way here: they would go back, and come all the same.
        if outbox.must_reconcile and self._bells.awaited is None:
            outbox.must_reconcile = False
            # Those in the outbox are named too, for their own commands say how they go back.
            known = map(ticket, (*self._held, *outbox.returned))
            yield Reconcile(reconcile_command(self._entry.incarnation, known))

    def _start(self, now_s: float) -> Iterator[Step]:
        if now_s - self._announced_s < ANNOUNCE_AFTER_S:
            return
        self._announced_s = now_s
        started = self._held.newly_started()
        if started:
            command = start_command(self._entry.gpu_type, self._entry.name, map(ticket, started))
            yield Start(command, started)

    def _attend(self, now_s: float) -> Iterator[Step]:
        """Asks which jobs were canceled, and tells how far they are."""
        if not self._held or now_s - self._attended_s < ATTEND_S:
            return
        self._attended_s = now_s
        yield AskCanceled(canceled_command(self._entry.incarnation))
        moved = self._held.take_moved()
        if moved:
            command = progress_command((*ticket(job), str(job.told_progress)) for job in moved)
            yield Tell(command, "tell progress")

    def _look(self, now_s: float) -> Iterator[Step]:
        yield from self._outbox.take_notes()
        for queue in self._demand.holds.due(now_s):
            # Jobs are pushed on the left and taken from the right, so the last item is the head.
            yield LookAtHead(("LINDEX", queue, -1), queue)

    def _take(self, may_take: bool) -> Iterator[Step]:
        if may_take:
            wanted, draw = self._demand.wanted(*self._held.open_counts())
            if wanted:
                yield self._takes.next(wanted, draw)
