"""The request ledger of a group and its latencies, over the whole run and by window of due time.

The equations of docs/measurement.md, section 3, hold exactly by construction of the classes; what they cannot notice
is a row that never reached the file, so `violations` counts again what was due, from the plan alone.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from chaosrun.records import NONE, REQUESTS, History, Kind
from chaosrun.scoring.histogram import Histogram
from chaosrun.scoring.outcomes import Fate, Outcome, judge
from chaosrun.scoring.pacing import due_times
from chaosrun.scoring.phases import ramp_start


@dataclass(frozen=True, kw_only=True)
class RequestLedger:
    """Counts of slots by what became of them. `late_observer` is part of `sent`; canaries and sentinels are apart."""

    due: int = 0
    sent: int = 0
    skipped_disconnected: int = 0
    skipped_observer: int = 0
    replied_in_time: int = 0
    replied_late: int = 0
    replied_error: int = 0
    lost_connected: int = 0
    lost_at_break: int = 0
    in_flight_at_end: int = 0
    late_observer: int = 0
    good: int = 0
    bad: int = 0
    undecided: int = 0
    """Sent and within the latency limit when the run ended; neither good nor bad."""
    valid: int = 0
    """Valid replies received, however late."""
    canaries_sent: int = 0
    canaries_good: int = 0
    sentinels: int = 0

    @property
    def observed(self) -> int:
        """due - the observer's: the denominator of every share."""
        return self.due - self.skipped_observer - self.late_observer


@dataclass(frozen=True, kw_only=True)
class RequestWindow:
    """The slots due in `[start, end)`."""

    start: int
    end: int
    ledger: RequestLedger
    response: Histogram = field(default_factory=Histogram)
    """Corrected, from the due time: good responses and user waits."""
    censored: int = 0
    """User waits that had not ended with the run: longer than anything in `response`."""
    service: Histogram = field(default_factory=Histogram)
    """Uncorrected, from the actual send: valid replies."""
    lateness: Histogram = field(default_factory=Histogram)
    """Actual send - due, of every slot sent, the late ones too: this is about the observer."""


@dataclass(frozen=True)
class Requests:
    """The judged requests of one group."""

    outcomes: tuple[Outcome, ...]
    """In order of due time."""

    @classmethod
    def of(cls, history: History, g: int) -> Requests:
        return cls(judge(history, g))

    @property
    def ledger(self) -> RequestLedger:
        """Of the whole run."""
        return _ledger(self.outcomes)

    def due_in(self, a: int, b: int) -> Sequence[Outcome]:
        """Outcomes due in `[a, b)`."""
        return self.outcomes[bisect_left(self.outcomes, (a,)) : bisect_left(self.outcomes, (b,))]

    def _counted_in(self, a: int, b: int) -> list[Outcome]:
        """In order of due time: those due earlier that count here, then those due here that do not count later."""
        earlier = [o for o in self._moved if o.due < a <= o.counts_at < b]
        return earlier + [o for o in self.due_in(a, b) if o.counts_at < b]

    @cached_property
    def _moved(self) -> list[Outcome]:
        return [o for o in self.outcomes if o.counts_at != o.due]

    def measure(self, windows: Iterable[tuple[int, int]], request: int | None = None) -> list[RequestWindow]:
        """Ledger and histograms of each window `[a, b)`; of one kind of request, or of all.

        A slot is in the window that it counts in, mostly that of its due time (see `Outcome.counts_at`).
        """
        return [self._window(a, b, request) for a, b in windows]

    def _window(self, a: int, b: int, request: int | None) -> RequestWindow:
        chosen = [o for o in self._counted_in(a, b) if request is None or o.request == request]
        response, service, lateness = Histogram(), Histogram(), Histogram()
        censored = 0
        for outcome in chosen:
            if outcome.kind not in REQUESTS:
                continue
            if outcome.sent != NONE:
                lateness.record(outcome.sent - outcome.due)
            if outcome.good is None:
                continue
            if outcome.wait is not None:
                response.record(outcome.wait)
            else:
                censored += 1
            if outcome.valid:
                service.record(outcome.got - outcome.sent)
        return RequestWindow(
            start=a,
            end=b,
            ledger=_ledger(chosen),
            response=response,
            censored=censored,
            service=service,
            lateness=lateness,
        )


def _ledger(outcomes: Iterable[Outcome]) -> RequestLedger:
    fates: Counter[Fate] = Counter()
    goods: Counter[bool | None] = Counter()
    apart: Counter[tuple[Kind, bool | None]] = Counter()
    late = valid = 0
    for outcome in outcomes:
        if outcome.kind not in REQUESTS:
            apart[outcome.kind, outcome.good] += 1
            continue
        fates[outcome.fate] += 1
        late += outcome.late_observer
        valid += outcome.valid
        if not outcome.late_observer and outcome.fate is not Fate.SKIPPED_OBSERVER:
            goods[outcome.good] += 1
    due = fates.total()
    return RequestLedger(
        due=due,
        sent=due - fates[Fate.SKIPPED_DISCONNECTED] - fates[Fate.SKIPPED_OBSERVER],
        late_observer=late,
        good=goods[True],
        bad=goods[False],
        undecided=goods[None],
        valid=valid,
        canaries_sent=sum(n for (kind, _), n in apart.items() if kind is Kind.CANARY),
        canaries_good=apart[Kind.CANARY, True],
        sentinels=sum(n for (kind, _), n in apart.items() if kind is Kind.SENTINEL),
        **{fate.value: fates[fate] for fate in Fate},
    )


def violations(history: History, g: int, ledger: RequestLedger) -> list[str]:
    """What is wrong with the ledger, in words: equations that do not hold, and slots that are not as planned.

    The slots due are counted again from pacing and the planned lives, client by client: a lost row, a row too many and
    a row at a time that no plan knows are each noticed.
    """
    name = history.plan.groups[g].name
    wrong: list[str] = []
    accounted = ledger.sent + ledger.skipped_disconnected + ledger.skipped_observer
    if ledger.due != accounted:
        wrong.append(f"{name}: {ledger.due} slots due, {accounted} sent or skipped")
    ended = ledger.replied_in_time + ledger.replied_late + ledger.replied_error
    ended += ledger.lost_connected + ledger.lost_at_break + ledger.in_flight_at_end
    if ledger.sent != ended:
        wrong.append(f"{name}: {ledger.sent} slots sent, {ended} replied, lost or in flight")
    return wrong + _off_plan(history, g)


def _off_plan(history: History, g: int) -> list[str]:
    group = history.plan.groups[g]
    t0 = ramp_start(history)
    recorded: dict[int, list[int]] = {c: [] for c in range(group.clients)}
    strange = 0
    for row in history.slots:
        if row.group == g and row.kind == Kind.SLOT:
            if row.client in recorded:
                recorded[row.client].append(row.due)
            else:
                strange += 1
    missing = surplus = 0
    for c, dues in recorded.items():
        planned = set(due_times(c, group, t0, history.load_stopped)) if t0 is not None else set()
        distinct = set(dues)
        present = sum(due in planned for due in distinct)
        missing += len(planned) - present
        surplus += len(dues) - present
    wrong = [f"{group.name}: {missing} slots that were due have no record"] if missing else []
    if surplus + strange:
        wrong.append(f"{group.name}: {surplus + strange} records of slots that were not due, or twice")
    return wrong
