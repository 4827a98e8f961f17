"""What `--against` made of a run, in a line for each number."""

from __future__ import annotations

from chaosrun.scoring.result import Result


def against_lines(result: Result) -> list[str]:
    """Empty: nobody asked for it."""
    against = result.against
    if against is None:
        return []
    if against.waived:
        return [f"not held against {against.named}: {against.waived}"]
    return [f"{number.name} against {against.named}: {number.why}" for number in against.numbers]
