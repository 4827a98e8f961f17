"""What came of a run, on standard output."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path
from secrets import token_hex

from chaosrun.commands._session import Session
from chaosrun.commands._tables import colourful, width
from chaosrun.errors import ChaosrunError
from chaosrun.outcome import Outcome
from chaosrun.reports import _github as github
from chaosrun.reports._terminal import render
from chaosrun.reports.junit import document
from chaosrun.scoring.result import encode


def show(session: Session, outcome: Outcome, form: str) -> None:
    """`json` and `junit`: the bytes of `result.json` or `junit.xml` and nothing else; `text`: the summary, fitted to a
    terminal; `github`: the summary, and what is amiss as annotations."""
    tell_undrawn(session, outcome.undrawn)
    match form:
        case "json":
            session.write_bytes(encode(outcome.result))
        case "junit":
            session.write_bytes(document(outcome.result))
        case "github":
            session.write(github.held_back(_summary(outcome), token_hex(16)))
            for line in github.commands(outcome.result, workspace()):
                session.write_line(line)
        case _:
            session.write(_summary(outcome))


def _summary(outcome: Outcome) -> str:
    height = shutil.get_terminal_size().lines if sys.stdout.isatty() else None
    here, page = Path.cwd(), outcome.folder / "report.html"
    place = page if page.is_file() else outcome.folder
    shown = place.relative_to(here) if place.is_relative_to(here) else place
    return render(outcome.result, shown, width=width(), height=height, colour=colourful())


def workspace() -> Path | None:
    """Where GitHub's runner has checked the repository out; None: it did not start us."""
    named = os.environ.get("GITHUB_WORKSPACE")
    return Path(named) if named else None


def tell_undrawn(session: Session, undrawn: Iterable[Exception]) -> None:
    """What kept reports from being there, to standard error."""
    for error in undrawn:
        if isinstance(error, ChaosrunError):
            session.complain(str(error))
        else:
            session.complain_of_defect(error)
