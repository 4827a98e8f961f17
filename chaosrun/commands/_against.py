"""`chaosrun run EXPERIMENT --against RUN|last-good`: what it is held against, told before anything begins."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from chaosrun.commands._options import Decorated
from chaosrun.commands._session import Session

if TYPE_CHECKING:
    from chaosrun.against import Against
    from chaosrun.spec.loader import Loaded


def against_option(command: Decorated) -> Decorated:
    """--against."""
    return click.option(
        "--against",
        metavar="RUN|last-good",
        help="Being worse than these runs, or than the last good ones of its kind in --report-dir, is a failure.",
    )(command)


def held_against(session: Session, named: str | None, loaded: Loaded, report_dir: Path, runs: int) -> Against | None:
    """What so many runs are to be held against; it is told on standard error.

    Raises:
        UsageError: there is no such run, or it cannot be compared.
    """
    if named is None:
        return None
    from chaosrun.scoring.against import foretold  # noqa: PLC0415 - what --help has no use for
    from chaosrun.standards import find_against  # noqa: PLC0415 - as above

    against = find_against(named, loaded, report_dir)
    session.tell(f"{loaded.experiment.title}: {foretold(against, runs)}")
    return against
