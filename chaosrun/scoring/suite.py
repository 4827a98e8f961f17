"""Several experiments as one: a row each, how many ended how, and the exit code and verdict of them all.

It is what `suite.json` holds, schema 1: that of a folder of experiments, and that of a game day, whose part `day` tells
what a day has beyond its experiments. Keys may be added, none changes its meaning.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec

from chaosrun.errors import Exit
from chaosrun.scoring.repeats import PRECEDENCE, Stop, pushes_lost, pushes_missed, replies_lost, worst
from chaosrun.scoring.result import Part, Result, rounded, seconds

SCHEMA = 1

State = Literal["ran", "broken", "skipped", "not_run"]
"""`ran`: it has a result; `broken`: it was begun and has none; `skipped`: it was left out, as was asked for; `not_run`:
all had ended before its turn came."""
Verdict = Literal["passed", "failed", "inconclusive", "aborted", "dirty"]
_VERDICTS: dict[Exit, Verdict] = {
    Exit.PASSED: "passed",
    Exit.FAILED: "failed",
    Exit.ABORTED: "aborted",
    Exit.DIRTY: "dirty",
}


# ---- the record -----------------------------------------------------------------------------------------------------


class SuiteRun(Part, frozen=True, kw_only=True):
    """One experiment: what was asked for, and what came of it."""

    experiment: str
    """Its file, as it was named."""
    title: str
    profile: str | None = None
    target: str | None = None
    """The file given in place of the experiment's own target."""
    overrides: tuple[str, ...] = ()
    """The keys that were overridden; not their values, which may be secret."""
    state: State
    folder: str | None = None
    """Of the run or the series, below that of the suite; null: nothing was kept."""
    verdict: str | None = None
    """Null unless it ran."""
    exit_code: int | None = None
    """Of a skipped one what it would have had, which counts only where nothing was begun; null: not run."""
    why: str = ""
    """Why it has no result."""
    reasons: tuple[str, ...] = ()
    stopped_by: str | None = None
    started_at: str | None = None
    duration_s: float | None = None
    runs: int | None = None
    """Of a series, so many were begun; null: a single run."""
    runs_passed: int | None = None
    ttr_s: float | None = None
    """Of a series, that of its worst run."""
    ttr_above_s: float | None = None
    ttr_error_s: float | None = None
    absorbed: bool | None = None
    replies_lost: int | None = None
    pushes_lost: int | None = None
    """Copies owed that nobody will get."""
    pushes_missed: int | None = None
    """Those of them that were published while their client was away."""
    criteria: int = 0
    broken: tuple[str, ...] = ()
    """The criteria that did not hold."""
    unknown: tuple[str, ...] = ()
    """The criteria that cannot be told."""
    fingerprint: str | None = None


class Notice(Part, frozen=True, kw_only=True):
    """Somebody was to be told of the day."""

    to: str
    """What kind of receiver, without its address."""
    on: str
    delivered: bool
    why: str = ""


class Day(Part, frozen=True, kw_only=True):
    """What a game day has beyond its experiments."""

    file: str
    time_zone: str
    windows: str = ""
    """In words."""
    opens_at: str | None
    """Of the window that it began in, in UTC; null: it may run at any time."""
    closes_at: str | None
    notices: tuple[Notice, ...] = ()


class Suite(Part, frozen=True, kw_only=True):
    """The whole of `suite.json`."""

    schema: int = SCHEMA
    chaosrun_version: str
    title: str
    started_at: str
    duration_s: float | None
    """Null: it was cut off."""
    verdict: Verdict
    exit_code: int
    reasons: tuple[str, ...]
    stopped_by: str | None
    """What ended it before its last experiment."""
    cool_down_s: float
    asked: int
    passed: int
    failed: int
    inconclusive: int
    aborted: int
    dirty: int
    broken: int
    """Begun, and ended without a result."""
    skipped: int
    not_run: int
    runs: tuple[SuiteRun, ...]
    day: Day | None = None
    """Null: no game day."""


def encode(suite: Suite) -> bytes:
    """The bytes of `suite.json`."""
    return msgspec.json.format(msgspec.json.encode(suite), indent=2) + b"\n"


def decode(data: bytes) -> Suite:
    """Read `suite.json` back.

    Raises:
        msgspec.ValidationError: it is not a suite, and where.
    """
    return msgspec.json.decode(data, type=Suite)


# ---- rows -----------------------------------------------------------------------------------------------------------


class Asked(Part, frozen=True, kw_only=True):
    """An experiment of a suite, as it was asked for."""

    experiment: str
    title: str
    profile: str | None = None
    target: str | None = None
    overrides: tuple[str, ...] = ()


def ran(asked: Asked, folder: str, result: Result) -> SuiteRun:
    """The row of an experiment with a result."""
    recovery, repeats = result.recovery, result.repeats
    return _row(
        asked,
        state="ran",
        folder=folder,
        verdict=result.verdict,
        exit_code=result.exit_code,
        reasons=tuple(result.reasons),
        stopped_by=result.stopped_by,
        started_at=result.started_at,
        duration_s=rounded(result.duration_s),
        runs=None if repeats is None else repeats.n,
        runs_passed=None if repeats is None else repeats.passed,
        ttr_s=recovery.ttr_s,
        ttr_above_s=recovery.ttr_above_s,
        ttr_error_s=recovery.error_s,
        absorbed=recovery.absorbed,
        replies_lost=replies_lost(result.messages.requests),
        pushes_lost=pushes_lost(result.messages.push),
        pushes_missed=pushes_missed(result.messages.push),
        criteria=len(result.criteria),
        broken=tuple(_named(result, outcome=False)),
        unknown=tuple(_named(result, outcome=None)),
        fingerprint=result.fingerprint,
    )


def _named(result: Result, *, outcome: bool | None) -> Iterable[str]:
    return (f"{each.name} in {each.window}" for each in result.criteria if each.outcome is outcome)


def broke_off(asked: Asked, folder: str | None, code: Exit, why: str) -> SuiteRun:
    """The row of an experiment that was begun and has no result."""
    return _row(asked, state="broken", folder=folder, exit_code=int(code), why=why)


def skipped(asked: Asked, code: Exit, why: str) -> SuiteRun:
    """The row of an experiment that was left out, as was asked for."""
    return _row(asked, state="skipped", exit_code=int(code), why=why)


def not_run(asked: Asked, why: str) -> SuiteRun:
    """The row of an experiment whose turn did not come."""
    return _row(asked, state="not_run", why=why)


def _row(asked: Asked, **fields: object) -> SuiteRun:
    told = {name: getattr(asked, name) for name in Asked.__struct_fields__}
    return SuiteRun(**told, **fields)  # type: ignore[arg-type]  # the fields of a row, given by its makers above


# ---- all of them ----------------------------------------------------------------------------------------------------


def combine(
    rows: Sequence[SuiteRun],
    *,
    title: str,
    version: str,
    started_at: str,
    duration_ns: int | None,
    cool_down_ns: int,
    halted: Stop | None,
    day: Day | None = None,
) -> Suite:
    """The record over all experiments, in their order.

    Args:
        halted: what ended it before its last experiment.
        duration_ns: None: it was cut off.
    """
    states = [row.state for row in rows]
    verdicts = [row.verdict for row in rows]
    # Whoever killed chaosrun left no word of it: what was asked for was not done, or what was left was not looked for.
    cut_off = halted is None and (duration_ns is None or "not_run" in states)
    code = _code(rows, halted, cut_off)
    return Suite(
        chaosrun_version=version,
        title=title,
        started_at=started_at,
        duration_s=seconds(duration_ns),
        verdict=_VERDICTS.get(code, "inconclusive"),
        exit_code=int(code),
        reasons=tuple(_reasons(rows, halted, cut_off)),
        stopped_by=halted.why if halted is not None else None,
        cool_down_s=seconds(cool_down_ns) or 0.0,
        asked=len(rows),
        passed=verdicts.count("passed"),
        failed=verdicts.count("failed"),
        inconclusive=verdicts.count("inconclusive"),
        aborted=verdicts.count("aborted"),
        dirty=verdicts.count("dirty"),
        broken=states.count("broken"),
        skipped=states.count("skipped"),
        not_run=states.count("not_run"),
        runs=tuple(rows),
        day=day,
    )


def _code(rows: Sequence[SuiteRun], halted: Stop | None, cut_off: bool) -> Exit:
    codes = list(_codes(rows, "ran", "broken"))
    if halted is not None:
        codes.append(halted.exit)
    if cut_off:
        codes.append(Exit.INCONCLUSIVE)
    # Where nothing was begun, nothing was proved: what all were skipped for says why.
    return worst(codes or list(_codes(rows, "skipped")) or [Exit.USAGE])


def _codes(rows: Iterable[SuiteRun], *states: State) -> Iterable[Exit]:
    return (Exit(row.exit_code) for row in rows if row.state in states and row.exit_code is not None)


def _reasons(rows: Sequence[SuiteRun], halted: Stop | None, cut_off: bool) -> list[str]:
    """What ended it early, then a line for each experiment that did not pass, the worst first."""
    told = [f"stopped: {halted.why}"] if halted is not None else []
    left = sum(row.state == "not_run" for row in rows)
    if left:
        told.append(f"{left} of {len(rows)} experiments not run" + (", and nothing tells why" if cut_off else ""))
    elif cut_off:
        told.append("cut off after the last experiment: nothing tells what was left behind")
    begun = sum(row.state in ("ran", "broken") for row in rows)
    if not begun and not left:
        told.append("no experiment was run: all of them were skipped")
    amiss = [(number, row) for number, row in enumerate(rows, 1) if row.state in ("ran", "broken") and row.exit_code]
    amiss.sort(key=lambda each: PRECEDENCE.index(Exit(each[1].exit_code or 0)))
    return [*told, *(f"experiment {number} ({row.title}): {_why(row)}" for number, row in amiss)]


def _why(row: SuiteRun) -> str:
    if row.state == "broken":
        return f"broke off (exit {row.exit_code}): {row.why}"
    first = next(iter(row.reasons), "")
    # "failed: failed: ..." says it twice.
    return f"{row.verdict}: {first.removeprefix(f'{row.verdict}: ')}" if first else str(row.verdict)
