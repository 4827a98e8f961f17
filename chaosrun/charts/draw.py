"""From what is known of a run to its picture."""

from __future__ import annotations

from chaosrun.charts.picture import Picture
from chaosrun.scoring.evidence import Evidence
from chaosrun.scoring.result import Result


def draw(evidence: Evidence, result: Result) -> Picture:
    """The series of every chart.

    Args:
        result: of the same run; its recovery gives the marks, its observer what was left out.
    """
    raise NotImplementedError
