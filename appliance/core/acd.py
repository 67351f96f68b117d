"""Who gets which call: pure functions from (queue, agents, now) to offers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from appliance.core.plan import QueuePlan


@dataclass(frozen=True)
class Waiting:
    """A caller in a queue. `since`: when the wait began, kept over unanswered offers.
    `tried`: agents who let this caller ring."""

    call: str
    queue: str
    since: float
    vip: bool = False
    tried: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Free:
    """An agent who can be rung now. `idle_since`: end of the last queue call, or sign-in."""

    agent: str
    queues: tuple[str, ...]
    idle_since: float


Strategy = Callable[[QueuePlan, Sequence[Free], float], list[Free]]
"""Orders the free agents of a queue, best first."""


def longest_idle(queue: QueuePlan, agents: Sequence[Free], now: float) -> list[Free]:
    """Greatest time since the last queue call ended; ties go by number."""
    return sorted(agents, key=lambda free: (free.idle_since - now, free.agent))


STRATEGIES: dict[str, Strategy] = {"longest_idle": longest_idle}


def offers(
    queues: Iterable[QueuePlan], waiting: Iterable[Waiting], agents: Iterable[Free], now: float
) -> list[tuple[str, str]]:
    """(call, agent) pairs to ring now; no call and no agent is in two of them.

    Callers: important ones first, within a class first in first out; an agent of several
    queues goes to the heavier queue, then to the longest wait. An agent who let this caller
    ring comes after those who did not.
    """
    plans = {queue.id: queue for queue in queues}
    free = list(agents)
    made: list[tuple[str, str]] = []
    order = sorted(
        (one for one in waiting if one.queue in plans),
        key=lambda one: (-plans[one.queue].weight, not one.vip, one.since, one.call),
    )
    for one in order:
        plan = plans[one.queue]
        fit = STRATEGIES[plan.strategy](plan, [each for each in free if one.queue in each.queues], now)
        fit.sort(key=lambda each: each.agent in one.tried)
        if fit:
            made.append((one.call, fit[0].agent))
            free.remove(fit[0])
    return made
