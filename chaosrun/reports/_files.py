"""Every report of a run, written into its folder."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from chaosrun.errors import Unwritable
from chaosrun.judge import Assessed
from chaosrun.registry import kinds, load
from chaosrun.reports._base import ScoredRun
from chaosrun.runfolder import write_whole


class Undrawn(Exception):
    """A report could not be drawn, by a defect of chaosrun or of the package that it is from."""


def draw_reports(
    folder: Path, assessed: Assessed, only: Iterable[str] = (), also: Callable[[ScoredRun], None] = lambda _run: None
) -> list[Exception]:
    """Draw all reports of a run, or only these kinds, each file replaced in one step.

    Args:
        also: is given the run at the end, with the picture that was drawn for the reports.

    Returns:
        What kept a report from being there. One that cannot be drawn keeps no other from it; a folder that nothing can
        be written into is tried once.

    Raises:
        UsageError: there is no such kind, or two have one name.
    """
    modules = {kind: load("reports", kind) for kind in only or kinds("reports")}
    run = ScoredRun(assessed.began, assessed.evidence, assessed.result)
    troubles: list[Exception] = []
    for kind, module in modules.items():
        try:
            for name, data in module.render(run).items():
                write_whole(_place(folder, name), data)
        except Unwritable as error:
            return [*troubles, error]
        except Exception as error:  # whatever it is, neither the verdict nor another report depends on it
            undrawn = Undrawn(f"the report {kind!r} could not be drawn ({type(error).__name__}: {error})")
            undrawn.__cause__ = error
            troubles.append(undrawn)
    try:
        also(run)
    except Exception as error:  # as above
        troubles.append(Undrawn(f"the run could not be drawn ({type(error).__name__}: {error})"))
    return troubles


def _place(folder: Path, name: str) -> Path:
    """Where a file of a report belongs: into the folder, whatever a report of others calls it."""
    if Path(name).name != name:
        raise ValueError(f"{name!r} is not the name of a file")
    return folder / name
