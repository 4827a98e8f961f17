"""The reports over several experiments, written into their folder, beside those of each of their runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from chaosrun.errors import Unwritable
from chaosrun.judge import Assessed
from chaosrun.reports._base import ScoredRun
from chaosrun.reports._cleaned import cleaned
from chaosrun.reports._files import Undrawn, draw_reports
from chaosrun.reports._markup import Markup
from chaosrun.reports._page_strip import strip
from chaosrun.reports._suite_junit import suite_document
from chaosrun.reports._suite_page import Drawn, page_of, render_suite_page
from chaosrun.reports._suite_summary import suite_markdown
from chaosrun.runfolder import write_whole
from chaosrun.scoring.result import Result
from chaosrun.scoring.suite import Suite

PAGE: Final = "suite.html"


class SuiteReports:
    """Draws the reports of each run, keeping its strip of clients, and then those over all."""

    def __init__(self, only: Iterable[str] = ()) -> None:
        """
        Args:
            only: as for `draw_reports`; a report over all is drawn where that of a run of its kind is.
        """
        self._only = tuple(only)
        self._strips: dict[Path, Markup] = {}

    def draw_run(self, folder: Path, assessed: Assessed) -> Sequence[Exception]:
        """All reports of a run. What it returns kept one from being there."""
        return draw_reports(folder, assessed, self._only, also=lambda run: self._keep(folder, run))

    def _keep(self, folder: Path, run: ScoredRun) -> None:
        result, picture = cleaned(run.result), cleaned(run.picture)
        self._strips[folder] = strip(result, picture, f"Clients over the run of: {result.title}")

    def draw_suite(self, folder: Path, suite: Suite, results: Mapping[int, Result]) -> Sequence[Exception]:
        """The reports over all, each file replaced in one step. What it returns kept one from being there.

        Args:
            results: of the experiments that have one, by their numbers from 1.
        """
        drawings: dict[str, tuple[str, Callable[[], bytes]]] = {
            "junit": ("junit.xml", lambda: suite_document(suite, results)),
            "summary": ("summary.md", lambda: suite_markdown(suite)),
            "html": (PAGE, lambda: render_suite_page(suite, results, dict(self._drawn(folder, suite, results)))),
        }
        troubles: list[Exception] = []
        for kind, (name, draw) in drawings.items():
            if self._only and kind not in self._only:
                continue
            try:
                write_whole(folder / name, draw())
            except Unwritable as error:
                return [*troubles, error]
            except Exception as error:  # whatever it is, neither the verdict nor another report depends on it
                undrawn = Undrawn(f"{name} over all could not be drawn ({type(error).__name__}: {error})")
                undrawn.__cause__ = error
                troubles.append(undrawn)
        return troubles

    def _drawn(self, folder: Path, suite: Suite, results: Mapping[int, Result]) -> Iterator[tuple[int, Drawn]]:
        for number, result in results.items():
            below = [suite.runs[number - 1].folder or ""]
            if result.repeats is not None:
                below.append(result.repeats.worst)
            if (drawn := self._strips.get(folder.joinpath(*below))) is not None:
                yield number, Drawn(drawn, page_of(*below))
