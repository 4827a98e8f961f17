"""A stall of D: corrected quantiles match the closed form of the stall that the server logged, uncorrected do not.

The service stands still in three ways. It answers its backlog in the end; then a closed loop would leave most of the
stall out, while chaosrun has sent every request on time, so that even its uncorrected times have it. It throws the
backlog away; or it is gone and nothing can be sent: then the uncorrected times leave it out altogether. And one reply
that comes late is one long wait, not the first of many.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from measured import Measured, Setup, measure_all, noop, pause
from oracle_row import Reading, Size, exact, near
from paired import Pair, pairs, room, strangers, user_waits
from stall_forms import Stall as Form
from stall_forms import as_a_closed_loop, quantile
from truth import Acted
from truth_script import Act, Delay, Outage, Script, Stall

from chaosrun.records import Kind
from chaosrun.scoring.requests import Requests, RequestWindow

NAME = "stall"
ACCEPTS = "corrected quantiles match the closed form, uncorrected visibly do not; one late reply is one long wait"
FAST = False

S = 1_000_000_000
PERIOD = S // 4
LIMIT = S // 2
QUIET_S = 4.0
"""Between two stalls, and after each as much as belongs to its window."""
AT_MOST = 0.1
"""Of a corrected quantile, that an uncorrected one has that visibly does not match it."""
QUANTILES = {"p90": 0.9, "p95": 0.95, "p99": 0.99}


def run(size: Size, seed: int, scratch: Path) -> Iterable[Reading]:
    small = size == "small"
    plans = [_plan(length, 40 if small else 100, seed) for length in ((1.5,) if small else (1.0, 2.0, 5.0))]
    return measure_all(plans, _read, scratch, at_once=2)


def _plan(length: float, clients: int, seed: int) -> tuple[Setup, Script]:
    cases: dict[str, tuple[Act, ...]] = {
        "answered": (Stall(of="replies", then="answer", lasts=length),),
        "thrown away": (Stall(of="replies", then="discard", lasts=length),),
        "gone": (Outage(how="rst", doors="shut", lasts=length),),
        # Long enough to meet one request of the one client, and too short for two.
        "late": (Delay(low=2 * LIMIT / S, high=2 * LIMIT / S, clients=(3,), lasts=0.96 * PERIOD / S),),
    }
    setup = Setup(
        clients=clients,
        requests="4/s",
        method=[step for case, acts in cases.items() for step in (noop(case), pause(_lasts(acts) + QUIET_S))],
        group={"latency_limit": "500ms", "reply_timeout": "20s", "reconnect": {"first": "20ms", "max": "50ms"}},
    )
    return setup, Script(sections=cases, seed=seed)


def _lasts(acts: Sequence[Act]) -> float:
    return acts[0].lasts or 0.0


def _read(run: Measured) -> Iterator[Reading]:
    where = str(run.folder)
    yield exact("faults injected", run.was_steady, True, flagged=not run.was_steady, note=where)
    if not run.was_steady:
        return
    paired = pairs(run)
    yield exact("requests that are not the server's", strangers(paired), 0, note=where)
    waits = sorted(user_waits(paired, LIMIT))
    yield from _whole(run, waits, where)
    for called, (name, acts) in zip(run.history.called, run.script.sections.items(), strict=True):
        window = (called.t - S, called.t + round((_lasts(acts) + QUIET_S - 1) * S))
        inside = [wait for due, wait in waits if window[0] <= due < window[1]]
        (measured,) = Requests.of(run.history, 0).measure([window])
        case = _Case(run, name, window, measured, inside, paired, where)
        by_name = {"answered": case.answered, "thrown away": case.thrown_away, "gone": case.gone, "late": case.late}
        yield from by_name[name]()


def _whole(run: Measured, waits: list[tuple[int, int]], where: str) -> Iterator[Reading]:
    """What result.json says of the whole run."""
    said = run.result.latency_ms.response["all"]
    for name, q in QUANTILES.items():
        true = quantile((wait for _, wait in waits), q) / S
        yield _near(run, f"the whole run's {name}", getattr(said, name) / 1e3, true, 0.01 * true, where)


def _near(run: Measured, what: str, said: float | None, true: float, bound: float, where: str) -> Reading:
    return near(what, said, true, bound + room(run), flagged=not run.sound, note=where)


@dataclass(frozen=True)
class _Case:
    run: Measured
    name: str
    window: tuple[int, int]
    measured: RequestWindow
    waits: list[int]
    """Of the users of the window, by the server's log."""
    paired: list[Pair]
    where: str

    def answered(self) -> Iterator[Reading]:
        form = self._answered_form()
        yield from self._corrected({name: form.corrected(q) for name, q in QUANTILES.items()})
        # The requests of a stalled server are sent on time all the same: nothing is left out of their service times.
        for name, q in QUANTILES.items():
            found = self.measured.service.quantile(q)
            true = form.corrected(q) / S
            yield _near(self.run, f"answered: service {name}", found and found / S, true, 0.01 * true, self.where)
        closed = self._closed_loop()
        yield self._blind("answered: a closed loop's p90", quantile(closed, 0.9))
        q99 = quantile(closed, 0.99) / S
        yield _near(self.run, "answered: a closed loop's p99", q99, form.closed_loop(0.99) / S, 0.01 * q99, self.where)

    def thrown_away(self) -> Iterator[Reading]:
        form = self._form(self._act.over or 0)
        yield from self._corrected({name: form.discarded(q) for name, q in QUANTILES.items()}, PERIOD / S)
        yield self._blind("thrown away: service p90", self.measured.service.quantile(0.9))
        yield self._blind("thrown away: service max", self.measured.service.max)

    def gone(self) -> Iterator[Reading]:
        """Each client has its own stall, to the first reply on its new connection; the tail is that of their mean, but
        for the last that are still away."""
        back = [self._served_again(c) for c in range(self.run.history.plan.groups[0].clients)]
        form = self._form(sum(back) // len(back))
        apart = (max(back) - min(back)) / S
        yield from self._corrected({name: form.corrected(q) for name, q in QUANTILES.items()}, apart)
        yield self._blind("gone: service p90", self.measured.service.quantile(0.9))
        yield self._blind("gone: service max", self.measured.service.max)

    def late(self) -> Iterator[Reading]:
        (slow,) = [pair for pair in self._slots() if pair.held is not None and pair.held > LIMIT]
        said = slow.said.wait
        assert slow.answered is not None
        true = (slow.answered - slow.said.due) / S
        yield _near(self.run, "late: its own wait", said and said / S, true, 0, self.where)
        bad = sum(pair.said.good is False for pair in self._slots() if pair.said.client == slow.said.client)
        yield exact("late: bad slots of its client", bad, 1, flagged=not self.run.sound, note=self.where)

    @property
    def _act(self) -> Acted:
        (act,) = self.run.truth.acts(self.name)
        return act

    def _form(self, over: int) -> Form:
        """The stall from its beginning, as the server logged it, to `over`."""
        base = quantile(self.waits, 0.25)  # the stall is more than half of the longest window
        return Form(length=over - self._act.begun, span=self.window[1] - self.window[0], period=PERIOD, base=base)

    def _answered_form(self) -> Form:
        """It ends with the first reply of the backlog, which is worked off as fast as the server can write."""
        act = self._act
        held = [pair.ask for pair in self._slots() if pair.ask is not None and act.begun <= pair.ask.read]
        answered = [ask.answered for ask in held if ask.answered is not None and ask.read < (act.over or 0)]
        form = self._form(min(answered))
        return replace(form, busy=(max(answered) - min(answered)) / form.length)

    def _served_again(self, client: int) -> int:
        new = [each for each in self.run.truth.of(client) if each.accepted > self._act.begun]
        return min(each.served.answered for each in new if each.served is not None and each.served.answered is not None)

    def _corrected(self, form: dict[str, float], apart: float = 0.0) -> Iterator[Reading]:
        """Against the closed form, and against what the log says of every single request.

        The closed form knows nothing of the grid of phases, hence a step of it (and `apart` in seconds) for the bound.
        """
        step = PERIOD / S / self.run.history.plan.groups[0].clients
        for name, q in QUANTILES.items():
            found = self.measured.response.quantile(q, beyond=self.measured.censored)
            said = None if found is None else found / S
            true = form[name] / S
            what = f"{self.name}: {name}"
            yield _near(self.run, f"{what}, closed form", said, true, 0.01 * true + step + apart, self.where)
            true = quantile(self.waits, q) / S
            yield _near(self.run, f"{what}, log", said, true, 0.01 * true, self.where)

    def _blind(self, what: str, found: int | None) -> Reading:
        """It has a tenth at most of what the users waited at their 90th percentile."""
        assert found is not None
        true = quantile(self.waits, 0.9)
        return Reading(what, found / true, AT_MOST, "x", flagged=not self.run.sound, note=self.where)

    def _slots(self) -> list[Pair]:
        a, b = self.window
        return [pair for pair in self.paired if pair.said.kind is Kind.SLOT and a <= pair.said.due < b]

    def _closed_loop(self) -> list[int]:
        own: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
        for pair in self._slots():
            if pair.answered is not None:
                own[pair.said.client].append((pair.said.due, pair.answered))
        return [wait for slots in own.values() for wait in as_a_closed_loop(slots)]
