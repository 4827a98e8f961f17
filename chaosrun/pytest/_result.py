"""What a run was, for a test: `result.json` in types, with the place of its reports and its explanation in words."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from msgspec import structs

from chaosrun.pytest._fixture import NotPassed
from chaosrun.reports._story import headline, reasons_apart, with_error
from chaosrun.scoring.result import Criterion, Result, decode
from chaosrun.scoring.words import show

_REASON: Final = {True: "held", False: "failed", None: "unknown"}
"""How the reasons of a verdict begin that are a criterion."""


class RunResult(Result, frozen=True, kw_only=True):
    """Every key of `result.json` as an attribute (docs/result.md), and where the run is kept."""

    folder: Path | None
    """None: it is not there any more."""

    @property
    def report(self) -> Path | None:
        """Its page; of a run whose page was not drawn its folder."""
        page = None if self.folder is None else self.folder / "report.html"
        return page if page is not None and page.is_file() else self.folder

    def criterion(self, name: str, window: str | None = None) -> Criterion:
        """A criterion by its name, in its only window or a named one.

        Raises:
            LookupError: there is none, or several, with the names that there are.
        """
        found = [each for each in self.criteria if each.name == name and window in (None, each.window)]
        if len(found) == 1:
            return found[0]
        known = ", ".join(f"{each.name!r} in {each.window}" for each in self.criteria)
        raise LookupError(
            f"{len(found)} criteria {name!r}{f' in {window}' if window else ''}; known: {known or 'none'}"
        )

    def assert_passed(self) -> None:
        """
        Raises:
            NotPassed: the verdict is another one, with what did not hold.
        """
        __tracebackhide__ = True
        if self.verdict != "passed":
            raise NotPassed(self.explanation())

    def explanation(self) -> str:
        """Verdict, reasons, what did not hold with value and limit, and where the report is."""
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        yield f"{self.verdict}: {self.title}: {headline(self)}"
        yield from (f"  {reason}" for reason in reasons_apart(self))
        for each in sorted(self.criteria, key=lambda each: each.outcome is None):
            # Of a run without a fault the verdict does not list all that is therefore unknown.
            if f"{_REASON[each.outcome]}: {each.name} in {each.window}: {each.why}" in self.reasons:
                yield f"  {_told(each)}"
        yield f"report: {self.report if self.report is not None else 'gone'}"


def _told(criterion: Criterion) -> str:
    value = "unknown" if criterion.value is None else with_error(criterion.value, criterion.error, criterion.unit)
    limit = criterion.written or ("" if criterion.limit is None else show(criterion.limit, criterion.unit))
    outcome = "does not hold" if criterion.outcome is False else "is unknown"
    where = f" ({criterion.where})" if criterion.where else ""
    return f"{criterion.name} in {criterion.window} {outcome}: {value}, limit {limit}: {criterion.why}{where}"


def read_result(out: bytes, report_dir: Path) -> RunResult:
    """What a run wrote to its standard output; its folder is the one below `report_dir` with the very same bytes."""
    newest = sorted(report_dir.glob("*/result.json"), reverse=True)
    folder = next((each.parent for each in newest if each.read_bytes() == out), None)
    return RunResult(**structs.asdict(decode(out)), folder=folder)
