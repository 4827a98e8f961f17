"""Each request of a run beside what the server did with it.

A client numbers what it asks, slots and canaries alike, from 1 on in the order of sending; the server logs that number.
So the n-th row that was sent is the request `n`, and nothing needs to be told apart by time.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from measured import Measured
from truth import Ask

from chaosrun.records import NONE, Kind
from chaosrun.scoring.bounds import lag_p99
from chaosrun.scoring.outcomes import Fate, Outcome, judge


@dataclass(frozen=True)
class Pair:
    said: Outcome
    """What chaosrun makes of it."""
    ask: Ask | None
    """None: it was never sent, or never reached the server."""

    @property
    def answered(self) -> int | None:
        """When the server wrote its valid reply."""
        return self.ask.answered if self.ask is not None and self.ask.ok else None

    @property
    def held(self) -> int | None:
        """For how long the server had it."""
        return None if self.answered is None or self.ask is None else self.answered - self.ask.at


def pairs(run: Measured, g: int = 0) -> list[Pair]:
    """Every slot and canary of group `g`, in order of due time.

    The clients of different groups are told apart by their names, so a script with several groups pairs none of them.
    """
    asks = {(each.client, ask.id): ask for each in run.truth.connections for ask in each.asks}
    sent: defaultdict[int, int] = defaultdict(int)
    numbers: dict[Outcome, int] = {}
    outcomes = judge(run.history, g)
    for outcome in sorted(outcomes, key=lambda outcome: outcome.sent):
        if outcome.sent != NONE:
            sent[outcome.client] += 1
            numbers[outcome] = sent[outcome.client]
    return [Pair(outcome, asks.get((outcome.client, numbers.get(outcome, 0)))) for outcome in outcomes]


def strangers(paired: list[Pair]) -> int:
    """Pairs that cannot be: the server had it before it was sent, or answered it after the reply was there.

    A pair by a wrong number is off by a period. A server that loses its turn between writing and noting is off by less.
    """
    slack = 100_000_000
    return sum(
        pair.ask.at + slack < pair.said.sent
        or (pair.said.valid and (pair.answered is None or pair.said.got + slack < pair.answered))
        for pair in paired
        if pair.ask is not None
    )


def user_waits(paired: list[Pair], limit: int) -> Iterator[tuple[int, int]]:
    """(due, wait) of every slot, by the server's own times: to its reply, however late; without one, to the first
    reply in time to anything that the same client was due to ask later.

    It is the definition of docs/measurement.md, section 1, worked out again from the log alone.
    """
    by_client: defaultdict[int, list[Pair]] = defaultdict(list)
    for pair in paired:
        by_client[pair.said.client].append(pair)
    for own in by_client.values():
        served: int | None = None
        for pair in reversed(own):
            if pair.said.late_observer or pair.said.fate is Fate.SKIPPED_OBSERVER:
                continue  # the observer's own fault is nobody's wait
            due, answered = pair.said.due, pair.answered
            if pair.said.kind is Kind.SLOT and (until := answered if answered is not None else served) is not None:
                yield due, until - due
            if answered is not None and answered - due <= limit:
                served = answered if served is None else min(served, answered)


def lag(run: Measured) -> float:
    """By how much the load's event loop was late, by the run's own account: p99 of the whole run, in s."""
    return (lag_p99(run.history, 0, run.history.end) or 0) / 1e9


def room(run: Measured) -> float:
    """What stands between the server's log and our clock on a busy machine, in s; as for the time to recover."""
    return max(0.010, 3 * lag(run))
