"""What came of a run, on standard output."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable
from pathlib import Path

from chaosrun.commands._session import Session
from chaosrun.commands._tables import colourful, width
from chaosrun.errors import ChaosrunError
from chaosrun.outcome import Outcome
from chaosrun.reports._terminal import render
from chaosrun.scoring.result import encode


def show(session: Session, outcome: Outcome, form: str) -> None:
    """`json`: the bytes of `result.json` and nothing else; `text`: the summary, fitted to a terminal."""
    tell_undrawn(session, outcome.undrawn)
    if form == "json":
        session.write_bytes(encode(outcome.result))
        return
    height = shutil.get_terminal_size().lines if sys.stdout.isatty() else None
    here = Path.cwd()
    folder = outcome.folder.relative_to(here) if outcome.folder.is_relative_to(here) else outcome.folder
    session.write(render(outcome.result, folder, width=width(), height=height, colour=colourful()))


def tell_undrawn(session: Session, undrawn: Iterable[Exception]) -> None:
    """What kept reports from being there, to standard error."""
    for error in undrawn:
        if isinstance(error, ChaosrunError):
            session.complain(str(error))
        else:
            session.complain_of_defect(error)
