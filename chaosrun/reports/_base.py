"""What every report is drawn from.

A report is a module of this package, by the name of its kind, with

    render(run: ScoredRun) -> Mapping[str, bytes]

which gives the files that belong into the run's folder, by name. It reads nothing but `run`, and gives the same bytes
for the same run. Other packages add theirs through the entry point `chaosrun.reports`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from chaosrun.charts.draw import draw
from chaosrun.charts.picture import Picture
from chaosrun.judge import Assessed


@dataclass(frozen=True)
class ScoredRun(Assessed):
    """A run that has been scored, with the series of its charts."""

    @cached_property
    def picture(self) -> Picture:
        return draw(self.evidence, self.result)
