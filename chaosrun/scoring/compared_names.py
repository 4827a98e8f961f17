"""Names of numbers that runs are compared by, as a user writes them: what is wrong with one, and what may be meant."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

from chaosrun.records import PHASES
from chaosrun.scoring.comparable import COMPARABLE, subjects


def why_no_number(name: str) -> str | None:
    """Why nothing can be compared by `name`; None: it can."""
    try:
        subjects(name, [])
    except KeyError:
        return no_such_number(name)
    phase = name.partition("@")[2]
    return no_such_phase(name, PHASES) if phase and phase not in PHASES else None


def no_such_number(name: str) -> str:
    """Runs cannot be compared by `name`."""
    close = get_close_matches(name.partition("@")[0], COMPARABLE, n=1)
    meant = f"did you mean {close[0]!r}? " if close else ""
    hint = f"{meant}known: {', '.join(COMPARABLE)}"
    if name.partition("@")[0] in COMPARABLE:
        hint = "only a latency of requests or pushes has phases, as in response_p99@baseline"
    return f"runs cannot be compared by {name!r}; {hint}"


def no_such_phase(name: str, phases: Sequence[str]) -> str:
    """Runs have no such phase."""
    plain, _, phase = name.partition("@")
    close = get_close_matches(phase, phases, n=1)
    meant = f"did you mean '{plain}@{close[0]}'? " if close else ""
    return f"runs cannot be compared by {name!r}: they have no such phase; {meant}known: {', '.join(phases)}"
