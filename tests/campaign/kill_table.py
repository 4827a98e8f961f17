"""What a campaign came to, in a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from statistics import median

from shots import Shot

_ORDER = (
    *("begun", "start", "ramp", "warmup", "baseline", "fault", "called", "confirmed", "undone"),
    *("recovery", "after", "rollback", "verify", "drain"),
)
HEAD = ("fault", "killed", "kills", "stood", "leftovers", "undone median / max", "clean median / max", "had just told")


def table(shots: Sequence[Shot]) -> Iterator[str]:
    """A line for each fault and victim. Times are from the kill (of both: from the call of `recover`); `undone` is of
    the kills at which the fault stood."""
    rows = [HEAD]
    for fault in dict.fromkeys(shot.fault for shot in shots):
        for victim in ("runner", "guardian", "both"):
            of = [shot for shot in shots if (shot.fault, shot.victim) == (fault, victim)]
            if of:
                rows.append(_row(fault, victim, of))
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _row(fault: str, victim: str, shots: Sequence[Shot]) -> tuple[str, ...]:
    phases = Counter(shot.phase for shot in shots)
    return (
        fault,
        victim,
        str(len(shots)),
        str(sum(shot.stood for shot in shots)),
        str(sum(bool(shot.left) for shot in shots)),
        _times(shot.undone_s for shot in shots if shot.stood),
        _times(shot.clean_s for shot in shots),
        " ".join(f"{name} {phases[name]}" for name in _ORDER if phases[name]),
    )


def _times(seconds: Iterable[float | None]) -> str:
    known = [each for each in seconds if each is not None]
    return f"{_ms(median(known))} / {_ms(max(known))}" if known else "-"


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"
