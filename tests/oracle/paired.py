"""Each request of a run beside what the server did with it.

A client numbers what it asks, slots and canaries alike, from 1 on in the order of sending; the server logs that number.
So the n-th row that was sent is the request `n`, and nothing needs to be told apart by time.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import zip_longest

from measured import Measured
from truth import Ask

from chaosrun.records import NONE, Kind
from chaosrun.scoring.bounds import lag_p99
from chaosrun.scoring.outcomes import Fate, Outcome, judge

_SLACK = 100_000_000
"""By how much a pair may be off: less than any period."""


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
    """Pairs that cannot be: the server had it before it was sent, never answered it, or after the reply was there.

    A wrong number makes the later pairs of its client wrong, too. One that was answered too late alone is that of a
    server which lost its turn between writing the reply and noting when.
    """
    count = 0
    for own in _by_client(pair for pair in paired if pair.ask is not None).values():
        late = [pair.said.valid and pair.said.got + _SLACK < (pair.answered or 0) for pair in own]
        count += sum(now and then for now, then in zip_longest(late, late[1:], fillvalue=True))
        count += sum(pair.ask.at + _SLACK < pair.said.sent for pair in own if pair.ask is not None)
        count += sum(pair.said.valid and pair.answered is None for pair in own)
    return count


def _by_client(paired: Iterable[Pair]) -> dict[int, list[Pair]]:
    """In the order of their being due."""
    found: defaultdict[int, list[Pair]] = defaultdict(list)
    for pair in paired:
        found[pair.said.client].append(pair)
    return found


def user_waits(paired: list[Pair], limit: int) -> Iterator[tuple[int, int]]:
    """(due, wait) of every slot, by the server's own times: to its reply, however late; without one, to the first
    reply in time to anything that the same client was due to ask later.

    It is the definition of docs/measurement.md, section 1, worked out again from the log alone.
    """
    for own in _by_client(paired).values():
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
