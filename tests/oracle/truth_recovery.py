"""What recovery was, by the server's log alone: the definitions of docs/measurement.md, section 2, asked of what was
served. Of chaosrun's own records it takes only the plan: when slots were due, and when faults were called.

Shares no code with the scorer. Times are ns of run time.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from math import ceil, floor, inf

from truth import Ask, Connection, Truth

from chaosrun.plan import GroupPlan
from chaosrun.records import History

EARLY = 1_000_000
"""Two clocks are read to place an arrival: a request may seem to come before it was due by less than this."""

Span = tuple[float, float]


@dataclass(frozen=True)
class Back:
    """When each affected client was usable again, ascending; and who never was."""

    at: tuple[float, ...]
    never: tuple[int, ...]

    def share(self, q: float) -> float | None:
        """When that share of the affected was back; None: never."""
        needed = max(1, ceil(q * (len(self.at) + len(self.never)) - 1e-9))
        return self.at[needed - 1] if needed <= len(self.at) else None


@dataclass(frozen=True)
class Course:
    """What a fault at `start` did, until `end`."""

    start: float
    end: float
    impact: float | None
    by: str
    """The indicator of the impact."""
    recovered: float | None
    recovered_by: str
    relapses: int
    back: Back
    lost: float = 0.0
    """Client-nanoseconds in which clients were not usable."""
    reference: float | None = None
    """What the time to recover counts from."""

    @property
    def ttr(self) -> float | None:
        if self.impact is None:
            return 0.0
        if self.recovered is None or self.reference is None:
            return None
        return max(0.0, self.recovered - self.reference)


class Served:
    """What the clients of the run's only group had of the service."""

    def __init__(self, truth: Truth, history: History) -> None:
        self.plan: GroupPlan = history.plan.groups[0]
        self._t0 = next(phase.t for phase in history.phases if phase.name == "ramp")
        self._stop = history.load_stopped
        ends = [phase.t for phase in history.phases if phase.name in ("rollback", "verify", "drain")]
        self._end = min([*ends, history.load_stopped])
        calls = sorted(history.called, key=lambda call: call.t)
        self._calls = [call.t for call in calls]
        sustained = {fault.id for fault in history.plan.faults if fault.sustained}
        removed = {line.id: line.t for line in reversed(history.removed) if line.t <= history.end}
        self._removed = [removed.get(call.id) if call.id in sustained else call.t for call in calls]
        self._hold = history.plan.recovery.stable_for_ns
        self.clients = range(self.plan.clients)
        self._for_slots: set[int] = set()
        """Ids of the `Ask` objects that were slots; all others were canaries, due when they were sent."""
        self._connections: list[list[Connection]] = [[] for _ in self.clients]
        for each in truth.connections:
            if each.client >= 0 and each.shaken is not None:
                self._connections[each.client].append(each)

    nobody_affected = Back((), ())

    # ---- what was served

    def _good(self, ask: Ask, due: float) -> bool:
        return ask.ok and ask.answered is not None and ask.answered <= due + self.plan.latency_limit_ns

    def session_of(self, each: Connection) -> Span | None:
        """From the arrival of its first good request to its end."""
        start = next((ask.at for ask in each.asks if self._good(ask, ask.at)), None)
        return None if start is None else (start, inf if each.ended is None else each.ended)

    @cached_property
    def sessions(self) -> list[Span]:
        return [span for own in self._connections for each in own if (span := self.session_of(each)) is not None]

    @cached_property
    def slots(self) -> list[list[tuple[float, float, bool]]]:
        """Of each client: when a slot was due, when it counts, and whether it was served in time."""
        return [list(self._slots_of(c)) for c in self.clients]

    def _slots_of(self, c: int) -> Iterator[tuple[float, float, bool]]:
        plan = self.plan
        if plan.period_ns is None:
            return
        tardy = min(plan.period_ns, plan.latency_limit_ns // 10)
        late_start = max(0, c - plan.ramp_start + 1) * plan.ramp_over_ns // max(1, plan.clients - plan.ramp_start)
        asks = sorted((ask for each in self._connections[c] for ask in each.asks[1:]), key=lambda ask: ask.at)
        arrivals = [ask.at for ask in asks]
        due = self._t0 + c * plan.period_ns // plan.clients
        while due < self._stop:
            if due >= self._t0 + late_start:
                i = bisect_left(arrivals, due - EARLY)
                if i < len(asks) and asks[i].at <= due + tardy:
                    self._for_slots.add(id(asks[i]))
                    good = self._good(asks[i], due)
                    yield due, due if good else self._counts(due, asks[i]), good
                elif not self._could_ask(c, due):
                    yield due, due, False
            due += plan.period_ns

    def _could_ask(self, c: int, due: float) -> bool:
        """It was connected, and yet nothing came: that is the observer's affair."""
        return any(each.asks and each.asks[0].at <= due < (each.ended or inf) for each in self._connections[c])

    def _counts(self, due: float, ask: Ask) -> float:
        """A bad slot that was undecided when a fault struck is the fault's."""
        decided = min(due + self.plan.latency_limit_ns, ask.answered or inf)
        return next((call for call in self._calls if due < call < decided), due)

    # ---- the indicators, as the instants (or beginnings of windows) that are out of tolerance

    @cached_property
    def few_sessions(self) -> list[Span]:
        needed = (1 - Fraction(str(self.plan.tolerate_sessions))) * self.plan.clients
        return _where(((t, d, 0) for a, b in self.sessions for t, d in ((a, 1), (b, -1))), lambda up, _: up < needed)

    @cached_property
    def events(self) -> list[tuple[float, bool]]:
        return sorted((at, not good) for own in self.slots for _, at, good in own)

    @cached_property
    def bad_windows(self) -> list[Span]:
        """A window at x holds what is due in `[x, x + W)`: an event is in the windows of `(due - W, due]`."""
        width, tolerated = self.plan.window_ns, Fraction(str(self.plan.tolerate_requests))
        over, under = tolerated.numerator, tolerated.denominator
        changes = (
            (t, sign, sign * bad) for due, bad in self.events for t, sign in ((due - width + 1, 1), (due + 1, -1))
        )
        return _where(changes, lambda n, bad: n == 0 or bad * under > over * n)

    @property
    def indicators(self) -> tuple[tuple[str, list[Span], int], ...]:
        named = (("sessions", self.few_sessions, 1), ("requests", self.bad_windows, self.plan.window_ns))
        return named if self.plan.period_ns is not None else named[:1]

    # ---- recovery

    def courses(self) -> list[Course]:
        """The episodes: a fault that finds the service not recovered joins the one before it."""
        found: list[Course] = []
        first = 0
        many = sum(call < self._end for call in self._calls)
        for i in range(many):
            last = i + 1 == many
            course = self.course(self._calls[first], self._end if last else self._calls[i + 1], last=last)
            quiet = course.impact is None and course.end - course.start >= self.plan.window_ns
            if last or course.recovered is not None or quiet:
                removals = [t for t in self._removed[first : i + 1] if t is not None]
                known = len(removals) == i + 1 - first
                lost = sum(stop - at for own in self.usable for at, stop in _gaps(own, course.start, course.end))
                found.append(replace(course, lost=lost, reference=max(removals) if known else None))
                first = i + 1
        return found

    def course(self, start: float, end: float, *, last: bool) -> Course:
        """Of the fault called at `start`, observed to `end`: the next call, or (`last`) the end of observation."""
        hits = [(t, name) for name, spans, width in self.indicators if (t := self._hit(spans, width, start, end))]
        if not hits:
            return Course(start, end, None, "", None, "", 0, self.nobody_affected)
        impact, by = min(hits)
        held, last_by = impact, by
        for name, spans, width in self.indicators:
            stop = max((min(b, end - width + 1) for a, b in spans if a <= end - width), default=-inf)
            if stop >= held:
                held, last_by = stop, name
        recovered = None
        if end - held >= (self._hold if last else self.plan.window_ns):
            recovered = held if last_by == "sessions" else self._first_good(held)
        return Course(
            start, end, impact, by, recovered, last_by if recovered else "", self._relapses(impact, end),
            self._back(impact, end if recovered is None else recovered, end),
        )  # fmt: skip

    def _hit(self, spans: Sequence[Span], width: int, start: float, end: float) -> float | None:
        x = next((max(a, start) for a, b in spans if b > start), inf)
        if x + width > end:
            return None
        return x if width == 1 else self._onset(x, start)

    def _onset(self, x: float, start: float) -> float:
        """The first of the unbroken run of bad slots that used up the tolerance of the window at x."""
        inside = [i for i, (due, _) in enumerate(self.events) if x <= due < x + self.plan.window_ns]
        bad = [i for i in inside if self.events[i][1]]
        if not bad:
            return x
        i = bad[floor(Fraction(str(self.plan.tolerate_requests)) * len(inside))]
        while i > 0 and self.events[i - 1][1] and self.events[i - 1][0] >= start:
            i -= 1
        return self.events[i][0]

    def _first_good(self, t: float) -> float:
        return next((due for due, bad in self.events if due >= t and not bad), t)

    def _relapses(self, impact: float, end: float) -> int:
        """Stretches in tolerance of at least max(1 s, W) after the impact that ended."""
        shortest = max(1_000_000_000, self.plan.window_ns)
        ends = set()
        for a in {impact, *(b for _, spans, _ in self.indicators for _, b in spans if impact < b < end)}:
            until = min(self._holds_until(spans, width, a) for _, spans, width in self.indicators)
            if until - a >= shortest and until < end:
                ends.add(until)
        return len(ends)

    def _holds_until(self, spans: Sequence[Span], width: int, a: float) -> float:
        return next((max(x, a) + width - 1 for x, stop in spans if stop > a), inf)

    # ---- clients

    @cached_property
    def usable(self) -> list[list[Span]]:
        return [self._usable(c) for c in self.clients]

    def _usable(self, c: int) -> list[Span]:
        """When the last of the client's requests due was served, and its connection not over since."""
        changes: list[tuple[float, int, bool]] = [(due, 1, good) for due, _, good in self.slots[c]]
        for each in self._connections[c]:
            canaries = [ask for ask in each.asks if id(ask) not in self._for_slots]
            changes += [(ask.at, 1, self._good(ask, ask.at)) for ask in canaries]
            if each.ended is not None:
                changes.append((each.ended, 0, False))
        found: list[Span] = []
        since: float | None = None
        for t, _, good in sorted(changes):
            if good and since is None:
                since = t
            elif not good and since is not None:
                found.append((since, t))
                since = None
        return found + ([(since, inf)] if since is not None else [])

    def _back(self, impact: float, until: float, end: float) -> Back:
        back, never = [], []
        for c in self.clients:
            usable = self.usable[c]
            out = _gaps(usable, impact, until)
            if not out or not usable or usable[0][0] >= impact:
                continue
            again = next((max(a, out[-1][1]) for a, b in usable if b > out[-1][1]), inf)
            if again < end:
                back.append(again)
            else:
                never.append(c)
        return Back(tuple(sorted(back)), tuple(never))


def _where(changes: Iterable[tuple[float, int, int]], is_bad: Callable[[int, int], bool]) -> list[Span]:
    """Where two counts that change by so much at each of these times are bad, from the first change on."""
    found: list[Span] = []
    n = m = 0
    since: float | None = None
    ordered = sorted(changes)
    for i, (t, dn, dm) in enumerate(ordered):
        n, m = n + dn, m + dm
        if i + 1 < len(ordered) and ordered[i + 1][0] == t:
            continue
        if is_bad(n, m) and since is None:
            since = t
        elif not is_bad(n, m) and since is not None:
            found.append((since, t))
            since = None
    return found + ([(since, inf)] if since is not None else [])


def _gaps(usable: Sequence[Span], a: float, b: float) -> list[Span]:
    found = []
    for start, stop in usable[bisect_right(usable, a, key=lambda span: span[1]) :]:
        if start >= b:
            break
        if start > a:
            found.append((a, start))
        a = stop
    return [*found, (a, b)] if a < b else found
