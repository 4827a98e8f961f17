"""A result in which every text of others is an attack, for each format to be tried with."""

from __future__ import annotations

from hand_built import FAILED
from msgspec.structs import replace

from chaosrun.scoring.result import Criterion, FaultReport, Finding, NodeClocks, Result, WorkerClock

ATTACKS = (
    "<script>alert(1)</script> & \"quoted\" 'too'",
    "a|b|c `code` *bold* _under_ [link](http://evil.example) ![x](y) @everyone #1 www.evil.example $x$ :boom:",
    "two\nlines\r\n::error::of mine, %0A ##[command]x",
    "\x1b]0;owned\x07\x00\x0b \u202e \ufffe \ud800",
    "=cmd|'/c calc'!A1",
    ']]> --> </failure> {quantile="1"} 7 # EOF\n# EOF',
)
EVIL = " ".join(ATTACKS)


def hostile(evil: str = EVIL) -> Result:
    """Of two groups, with every name, reason and note evil."""
    broken = Criterion(
        name=evil, metric="usable", group=evil, role=evil, window=evil, value=1.0, unit="s", limit=2.0,
        outcome=False, why=evil, written=evil, where=f"{evil}:3", error=0.1,
    )  # fmt: skip
    fault = FaultReport(
        name=evil, kind=evil, role=evil, call_s=1.0, confirmed_s=None, removed_s=2.0, verified=False, undone=None,
        detail=evil,
    )  # fmt: skip
    clock = WorkerClock(
        worker=evil, node=evil, exchanges=60, bound_s=0.1, offset_s=None, bound_after_s=None, drift_ppm=None,
        drift_error_ppm=None, error_s=1.0,
    )  # fmt: skip
    return replace(
        FAILED,
        title=evil,
        profile=evil,
        reasons=[evil],
        faults=[fault],
        criteria=[broken, replace(broken, outcome=None, value=None, error=None), replace(broken, outcome=True)],
        groups={evil: FAILED.groups["accounts"], "b": FAILED.groups["accounts"]},
        findings=[Finding(severity=evil, title=evil, evidence=evil, action=evil)],
        resources={evil: FAILED.resources["server"]},
        recovery=replace(FAILED.recovery, recovered_by=evil, faults=[evil]),
        observer=replace(FAILED.observer, clocks=NodeClocks(error_s=None, uncompared=[evil], workers=[clock])),
    )
