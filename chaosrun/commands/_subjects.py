"""Names of numbers that runs are compared by, as a user writes them."""

from __future__ import annotations

from collections.abc import Sequence

from chaosrun.errors import UsageError


def no_such_number(name: str) -> UsageError:
    """Runs cannot be compared by `name`; what may have been meant."""
    from difflib import get_close_matches  # noqa: PLC0415 - only for errors

    from chaosrun.scoring.comparable import COMPARABLE  # noqa: PLC0415 - as above

    close = get_close_matches(name.partition("@")[0], COMPARABLE, n=1)
    meant = f"did you mean {close[0]!r}? " if close else ""
    hint = f"{meant}known: {', '.join(COMPARABLE)}"
    if name.partition("@")[0] in COMPARABLE:
        hint = "only a latency of requests or pushes has phases, as in response_p99@baseline"
    return UsageError(f"runs cannot be compared by {name!r}; {hint}")


def no_such_phase(name: str, phases: Sequence[str]) -> UsageError:
    """A run has no such phase; what may have been meant."""
    from difflib import get_close_matches  # noqa: PLC0415 - only for errors

    plain, _, phase = name.partition("@")
    close = get_close_matches(phase, phases, n=1)
    meant = f"did you mean '{plain}@{close[0]}'? " if close else ""
    return UsageError(
        f"runs cannot be compared by {name!r}: they have no such phase; {meant}known: {', '.join(phases)}"
    )
