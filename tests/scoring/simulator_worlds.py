"""Random worlds: outages of 50 ms to 20 s x phase x rate x loss x flapping x partial x crash or stall x groups."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from math import exp, log

from simulator import MS, How, Outage, S, Strike, World

from chaosrun.load.config import Backoff
from chaosrun.plan import GroupPlan
from chaosrun.scoring.pacing import auto_tolerance

LAG = 4_997_120
"""In the middle of a histogram's bucket, so that its p99 is the lag itself."""
Hits = tuple[frozenset[int] | None, ...]


def random_world(seed: int) -> World:
    dice = random.Random(f"world/{seed}")
    groups = [random_group(dice, g) for g in range(dice.choice((1, 1, 1, 2)))]
    widest = max(plan.window_ns for plan in groups)
    at = 4 * S + widest + dice.randrange(S)
    strikes, outages = [], []
    for i in range(dice.choice((1, 1, 1, 1, 2))):
        own = list(random_outages(dice, at, groups))
        confirmed = own[0].a + dice.randrange(5 * MS) if own else at
        removed = max(outage.b for outage in own) if own and dice.random() < 0.3 else None
        strikes.append(Strike(at, confirmed, removed, f"fault{i}"))
        outages += own
        at = max([at, *(outage.b for outage in own)]) + dice.choice((S // 2, widest, 12 * S)) + dice.randrange(S)
    stable_for = max(widest, dice.choice((3 * S, 5 * S)))
    settled = max([strikes[-1].called, *(outage.b for outage in outages)])
    return World(
        groups=groups,
        strikes=strikes,
        outages=outages,
        end=settled + stable_for + widest + dice.randrange(S),
        stable_for=stable_for,
        trip=dice.choice((200_000, 2 * MS, 40 * MS)),
        lag=dice.choice((0, 0, LAG)),
        loss=min(bearable_loss(plan) for plan in groups) * dice.choice((0, 0, 0.1, 0.3)),
        backoff=Backoff(first_ns=dice.choice((20, 100)) * MS, max_ns=S, jitter=dice.choice(("full", "equal", "none"))),
        seed=seed,
    )


def random_group(dice: random.Random, g: int) -> GroupPlan:
    rate = dice.choice((4, 4, 10, 10, 20, 20, 40))
    clients = dice.choice((2, 5, 12, 20, 30))
    period = S * clients // rate + dice.randrange(2) * 777_777
    tolerated, window = auto_tolerance(clients, S / period)
    if dice.random() < 0.2:
        tolerated, window = dice.choice(((0.05, 2 * S), (0.3, S)))
    return GroupPlan(
        name=f"group{g}",
        clients=clients,
        period_ns=period,
        ramp_start=clients,
        connect_within_ns=S,
        latency_limit_ns=dice.choice((200, 500)) * MS,
        sentinel_period_ns=100 * MS if rate == 4 and dice.random() < 0.4 else None,
        tolerate_sessions=dice.choice((0.01, 0.01, 0.25)),
        tolerate_requests=tolerated,
        window_ns=window,
    )


def bearable_loss(plan: GroupPlan) -> float:
    """The largest share of lost requests with which a baseline is steady: m + 4 sqrt(m) <= l n (Steadiness)."""
    assert plan.period_ns is not None
    slots = plan.clients * plan.window_ns / plan.period_ns
    root = (4 + plan.tolerate_requests * slots) ** 0.5 - 2
    return root * root / slots


def random_outages(dice: random.Random, called: int, groups: Sequence[GroupPlan]) -> Iterator[Outage]:
    """None, one, or several in a row (flapping), from within 5 ms of the call on."""
    how: How = dice.choice(("crash", "crash", "answered", "dropped", "errors"))
    flaps = dice.choice((0, 1, 1, 1, 1, 1, 1, 2, 3, 6))
    hits = random_hits(dice, groups)
    at = called + dice.randrange(5 * MS)
    for _ in range(flaps):
        longest = 20 * S if flaps == 1 else 3 * S
        length = round(exp(dice.uniform(log(50 * MS), log(longest))))
        yield Outage(at, at + length, how, hits, prober=all(own is None for own in hits) or dice.random() < 0.5)
        at += length + round(exp(dice.uniform(log(50 * MS), log(8 * S))))
        if dice.random() < 0.3:
            hits = random_hits(dice, groups)


def random_hits(dice: random.Random, groups: Sequence[GroupPlan]) -> Hits:
    """All clients of all groups, or some of one or all."""
    if dice.random() < 0.6:
        return tuple(None for _ in groups)
    spared = dice.randrange(len(groups)) if len(groups) > 1 and dice.random() < 0.5 else None
    return tuple(
        frozenset(() if g == spared else dice.sample(range(plan.clients), dice.randint(1, plan.clients)))
        for g, plan in enumerate(groups)
    )
