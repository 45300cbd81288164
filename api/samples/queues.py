"""What waits, and for how many slots, for Prometheus."""

from collections import Counter
from collections.abc import Iterator, Mapping

from athena.jobs.queues import ANY, QueueName
from athena.protocol.interface import Interface
from athena.store.books.counts import Survey
from athena.telemetry.metrics import (
    DEMAND,
    LOAD,
    QUEUE_JOBS,
    QUEUE_LIMIT,
    QUEUE_OLDEST,
    QUEUE_PAUSED,
    Sample,
)


def queue_samples(survey: Survey, interface: Interface) -> Iterator[Sample]:
    """Returns what waits in the queues of an ability that hold jobs, or did."""
    yield Sample(QUEUE_LIMIT, (survey.service_id,), interface.limits.max_queue_jobs)
    for queue in survey.queues:
        labels = (survey.service_id, queue.name, QueueName.parse(queue.name).lane)
        yield Sample(QUEUE_JOBS, labels, queue.jobs)
        yield Sample(QUEUE_OLDEST, labels, queue.oldest_s)
        yield Sample(QUEUE_PAUSED, labels, int(queue.is_paused))


def load_samples(
    survey: Survey,
    slots: Mapping[str, int],
    held: Mapping[str, int],
    types_of_gpus: Mapping[str, str],
) -> Iterator[Sample]:
    """Returns how much an ability has to do; more than 1: jobs wait although all slots are taken.

    Args:
        survey: what waits. Jobs of paused queues do not count: no worker more would run them.
        slots: GPU type -> slots of the workers that are alive; all types that the ability is told of.
        held: GPU type -> jobs that workers hold.
        types_of_gpus: GPU -> its type, for queues of single GPUs.
    """
    for gpu_type, jobs in _demand(survey, slots, held, types_of_gpus).items():
        yield Sample(LOAD, (survey.service_id, gpu_type), jobs / (slots[gpu_type] or 1))


def demand_samples(
    survey: Survey,
    slots: Mapping[str, int],
    held: Mapping[str, int],
    types_of_gpus: Mapping[str, str],
) -> Iterator[Sample]:
    """Returns how many jobs there are to do; as for `load_samples`, with all types that may be wanted."""
    for gpu_type, jobs in _demand(survey, slots, held, types_of_gpus).items():
        yield Sample(DEMAND, (survey.service_id, gpu_type), jobs)


def _demand(
    survey: Survey, slots: Mapping[str, int], held: Mapping[str, int], types_of_gpus: Mapping[str, str]
) -> dict[str, float]:
    """Returns GPU type -> jobs that wait for it or are held by its workers."""
    waiting: Counter[str] = Counter()
    for queue in survey.queues:
        if not queue.is_paused:
            target = QueueName.parse(queue.name).target
            waiting[types_of_gpus.get(target, target)] += queue.jobs
    all_slots = sum(slots.values())
    # Jobs for a GPU or a type that nobody knows are moved to others.
    for_any = waiting[ANY] + sum(waiting[target] for target in waiting.keys() - slots.keys() - {ANY})

    def share(own_slots: int) -> float:
        return for_any * own_slots / all_slots if all_slots else for_any

    return {
        gpu_type: waiting[gpu_type] + share(own_slots) + held.get(gpu_type, 0)
        for gpu_type, own_slots in slots.items()
    }
