"""What several runs of one experiment prove together: the median of their times to recover with its exact interval,
the bound on the probability that a run fails, and the verdict of them all.

Nothing is assumed about how the times are spread, only that the runs are independent of each other.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import comb, inf
from typing import NamedTuple

from msgspec.structs import replace

from chaosrun.errors import Exit
from chaosrun.scoring.result import Push, RepeatedRun, Repeats, Requests, Result, Spread, rounded, seconds
from chaosrun.scoring.statistics import CONFIDENCE, clopper_pearson

PRECEDENCE = (
    Exit.DIRTY,
    Exit.DEFECT,
    Exit.UNWRITABLE,
    Exit.ABORTED,
    Exit.FAILED,
    Exit.INCONCLUSIVE,
    Exit.UNAVAILABLE,
    Exit.NOT_NOW,
    Exit.USAGE,
    Exit.PASSED,
)
"""Of several causes the first of these counts."""
_NAMED = 10
"""So many runs are named one by one."""
_VERDICTS = {Exit.PASSED: "passed", Exit.FAILED: "failed", Exit.ABORTED: "aborted", Exit.DIRTY: "dirty"}


def worst(codes: Iterable[Exit]) -> Exit:
    """The exit code of several causes together."""
    return min(codes, key=PRECEDENCE.index)


# ---- statistics -----------------------------------------------------------------------------------------------------


class Ranks(NamedTuple):
    """The ranks (from 1, ascending) of the two values that enclose the median, and how surely they do."""

    low: int
    high: int
    confidence: float


def median_ranks(n: int, confidence: float = CONFIDENCE) -> Ranks | None:
    """The narrowest symmetric pair of ranks of `n` values that encloses the median with at least this confidence.

    The median lies below the value of rank r only if fewer than r of n values fell below it, and each falls there
    with probability 1/2: [x_r, x_(n+1-r)] encloses it with 1 - 2 * P(Binomial(n, 1/2) < r) (David and Nagaraja, Order
    Statistics, 7.1).

    Returns:
        None: there are too few values; even the smallest and the largest do not enclose it so surely.
    """
    found = None
    outside = 0
    for rank in range(1, n // 2 + 1):
        outside += 2 * comb(n, rank - 1)
        # In whole numbers up to here: exact for any n.
        inside = (2**n - outside) / 2**n
        if inside < confidence:
            break
        found = Ranks(rank, n + 1 - rank, inside)
    return found


FEWEST_FOR_INTERVAL = next(n for n in range(1, 100) if median_ranks(n) is not None)
"""So many runs it takes until there is an interval at all: 6."""


class Time(NamedTuple):
    """A time to recover in seconds, or where it is censored, what it is above."""

    at: float
    censored: bool = False


def spread(times: Sequence[Time]) -> Spread:
    """Median and interval of times of which some may be censored: those rank last, whatever they are above."""
    ordered = sorted(times, key=lambda time: (time.censored, time.at))
    n = len(ordered)
    ranks = median_ranks(n)
    low = _between(ordered, ranks.low, ranks.low) if ranks else None
    high = _between(ordered, ranks.high, ranks.high) if ranks else None
    middle = _between(ordered, (n + 1) // 2, n // 2 + 1) if ordered else None
    return Spread(
        median=_known(middle),
        low=_known(low),
        high=_known(high),
        confidence=rounded(ranks.confidence) if ranks else None,
        median_above=_above(middle),
        low_above=_above(low),
        high_above=_above(high),
        runs=n,
        censored=sum(time.censored for time in ordered),
    )


def _between(ordered: Sequence[Time], lower: int, upper: int) -> Time:
    """The mean of the times of two ranks (from 1), of an even number the median; censored if the upper one is.

    A time that never ended may have been watched for less long than another took. So what lies at a rank is surely
    above only what lies there when each of them is the least that it may be.
    """
    censored = ordered[upper - 1].censored
    times = sorted(time.at for time in ordered) if censored else [time.at for time in ordered]
    return Time((times[lower - 1] + times[upper - 1]) / 2, censored)


def _known(time: Time | None) -> float | None:
    return None if time is None or time.censored else rounded(time.at)


def _above(time: Time | None) -> float | None:
    return rounded(time.at) if time is not None and time.censored else None


def failure_probability_below(failed: int, conclusive: int) -> float | None:
    """The probability that a run fails is below this, with 95% confidence (one-sided Clopper-Pearson bound).

    With no failure in n runs it is 1 - 0.05^(1/n): were it higher, n passes in a row would be rarer than 5%.

    Returns:
        None: no run was conclusive, and nothing is known.
    """
    if conclusive == 0:
        return None
    # The upper end of a two-sided interval that leaves out as much on either side as we leave out on one.
    return clopper_pearson(failed, conclusive, confidence=2 * CONFIDENCE - 1)[1]


# ---- the series -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Trial:
    """A run of the series: its result, or why there is none."""

    folder: str
    offset_ns: int
    result: Result | None
    broke: Exit = Exit.PASSED
    """The exit code of a run without a result."""
    why: str = ""
    """What kept it from having one."""

    @property
    def exit(self) -> Exit:
        return self.broke if self.result is None else Exit(self.result.exit_code)


class Stop(NamedTuple):
    """What ended a series between two runs, or before it had made them all."""

    exit: Exit
    why: str


def combine(trials: Sequence[Trial], *, asked: int, seed: int, cool_down_ns: int, halted: Stop | None) -> Result:
    """The result of a series: that of its worst run, with the verdict of them all and what they prove together.

    Args:
        asked: how many runs were to be made.
        halted: what ended the series before it had made them all, beside the runs themselves.

    Raises:
        ValueError: no run has a result.
    """
    scored = [(trial, trial.result) for trial in trials if trial.result is not None]
    if not scored:
        raise ValueError("a series in which no run has a result has none either")
    standing, result = min(scored, key=lambda pair: _badness(pair[1]))
    codes = [trial.exit for trial in trials]
    if halted is not None:
        codes.append(halted.exit)
    # Whoever killed chaosrun between two runs left no word of it: what was asked for was not done.
    cut_off = len(trials) < asked and worst(codes) in (Exit.PASSED, Exit.FAILED, Exit.INCONCLUSIVE)
    if cut_off:
        codes.append(Exit.INCONCLUSIVE)
    code = worst(codes)
    reasons = [f"stopped: {halted.why}"] if halted is not None else []
    if len(trials) < asked:
        reasons.append(f"only {len(trials)} of {asked} runs were made" + (", and nothing tells why" if cut_off else ""))
    return replace(
        result,
        verdict=_VERDICTS.get(code, "inconclusive"),
        exit_code=int(code),
        reasons=[*reasons, *_reasons(trials)],
        stopped_by=halted.why if halted else result.stopped_by,
        repeats=_repeats(trials, standing.folder, asked=asked, seed=seed, cool_down_ns=cool_down_ns),
    )


def _badness(result: Result) -> tuple[int, float, float]:
    """Smaller is worse: by the exit code, then by the time to recover, where one that never came is the longest."""
    recovery = result.recovery
    censored = recovery.ttr_censored_above_s
    time = inf if censored is not None else -1.0 if recovery.ttr_s is None else recovery.ttr_s
    return PRECEDENCE.index(Exit(result.exit_code)), -time, -(censored or 0.0)


def _repeats(trials: Sequence[Trial], standing: str, *, asked: int, seed: int, cool_down_ns: int) -> Repeats:
    codes = [trial.exit for trial in trials]
    failed, passed = codes.count(Exit.FAILED), codes.count(Exit.PASSED)
    runs = [_run(trial) for trial in trials]
    return Repeats(
        n=len(trials),
        asked=asked,
        passed=passed,
        failed=failed,
        inconclusive=codes.count(Exit.INCONCLUSIVE),
        aborted=codes.count(Exit.ABORTED),
        dirty=codes.count(Exit.DIRTY),
        broken=sum(trial.result is None for trial in trials),
        failure_probability_below=rounded(failure_probability_below(failed, passed + failed)),
        confidence=CONFIDENCE,
        ttr_s=spread([time for run in runs if not run.left_out and (time := _time(run)) is not None]),
        seed=seed,
        cool_down_s=seconds(cool_down_ns) or 0.0,
        worst=standing,
        runs=runs,
    )


def _time(run: RepeatedRun) -> Time | None:
    if run.ttr_s is not None:
        return Time(run.ttr_s)
    return None if run.censored_above_s is None else Time(run.censored_above_s, censored=True)


def _run(trial: Trial) -> RepeatedRun:
    result = trial.result
    offset = seconds(trial.offset_ns) or 0.0
    if result is None:
        return RepeatedRun(
            folder=trial.folder, exit_code=int(trial.broke), offset_s=offset, left_out=f"no result: {trial.why}"
        )
    recovery, requests = result.recovery, result.messages.requests
    return RepeatedRun(
        folder=trial.folder,
        verdict=result.verdict,
        exit_code=result.exit_code,
        ttr_s=recovery.ttr_s,
        censored_above_s=recovery.ttr_above_s,
        error_s=recovery.error_s,
        server_ready_s=recovery.server_ready_s,
        replies_lost=replies_lost(requests),
        pushes_lost=pushes_lost(result.messages.push),
        offset_s=offset,
        left_out=_left_out(result),
        absorbed=recovery.absorbed,
    )


def replies_lost(requests: Requests) -> int | None:
    """Requests that were sent and never answered; None where none was due."""
    return requests.lost_connected + requests.lost_at_break if requests.due else None


def pushes_lost(push: Push | None) -> int | None:
    """Copies owed that nobody will get; None where that cannot be told."""
    if push is None or not push.accountable or push.tail is None:
        return None
    return push.lost_connected + push.missed_disconnected + push.tail


def pushes_missed(push: Push | None) -> int | None:
    """Those of `pushes_lost` that were published while their client was away."""
    return None if push is None or pushes_lost(push) is None else push.missed_disconnected


def _left_out(result: Result) -> str:
    """Why a run says nothing of the time to recover, though it may have one."""
    if result.verdict == "dirty":
        return "not as it was found"
    if result.stopped_by is not None:
        return "ended early"
    if not result.observer.sound:
        return "the observer was not sound"
    if result.observer.slowed:
        return "CPU time was taken away"
    if result.recovery.ttr_s is None and result.recovery.ttr_censored_above_s is None:
        return "no fault" if not result.faults else "no time to recover"
    return ""


_WORDS = {
    Exit.DIRTY: "left the system not as it was found",
    Exit.ABORTED: "ended early",
    Exit.FAILED: "failed",
    Exit.INCONCLUSIVE: "proved nothing",
}


def _reasons(trials: Sequence[Trial]) -> list[str]:
    """What kept runs from passing, one line a kind, the worst first, each with what its first run says of itself."""
    told = []
    for code in PRECEDENCE:
        numbers = [number for number, trial in enumerate(trials, 1) if trial.exit == code]
        if code is Exit.PASSED or not numbers:
            continue
        first = trials[numbers[0] - 1]
        why = first.why if first.result is None else "; ".join(first.result.reasons[:1])
        # "run 2 failed: failed: ..." says it twice.
        why = why.removeprefix("failed: ").removeprefix("stopped: ")
        of = f"; run {numbers[0]}" if len(numbers) > 1 else ""
        told.append(f"{named(numbers)} {_WORDS.get(code, f'broke off (exit {int(code)})')}{of}: {why}")
    return told


def named(numbers: Sequence[int]) -> str:
    """Runs by their numbers: `run 3`, `runs 3, 5`, `40 runs (1, 2, 3, ...)`."""
    if len(numbers) == 1:
        return f"run {numbers[0]}"
    if len(numbers) <= _NAMED:
        return f"runs {', '.join(map(str, numbers))}"
    return f"{len(numbers)} runs ({', '.join(map(str, numbers[:3]))}, ...)"
