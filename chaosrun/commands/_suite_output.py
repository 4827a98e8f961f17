"""What came of several experiments, on standard output."""

from __future__ import annotations

from pathlib import Path
from secrets import token_hex

from chaosrun.commands._output import tell_undrawn, workspace
from chaosrun.commands._session import Session
from chaosrun.commands._tables import colourful, width
from chaosrun.reports import _github as github
from chaosrun.reports._suite_files import PAGE
from chaosrun.reports._suite_junit import suite_document
from chaosrun.reports._suite_terminal import render_suite
from chaosrun.scoring.suite import encode
from chaosrun.suite_outcome import SuiteOutcome


def show_suite(session: Session, outcome: SuiteOutcome, form: str) -> None:
    """`json` and `junit`: the bytes of `suite.json` or `junit.xml` and nothing else; `text`: the summary; `github`: the
    summary, and what is amiss as annotations."""
    tell_undrawn(session, outcome.undrawn)
    results = {number: each.result for number, each in outcome.outcomes.items()}
    match form:
        case "json":
            session.write_bytes(encode(outcome.suite))
        case "junit":
            session.write_bytes(suite_document(outcome.suite, results))
        case "github":
            session.write(github.held_back(_summary(outcome), token_hex(16)))
            for line in github.suite_commands(outcome.suite, results, workspace()):
                session.write_line(line)
        case _:
            session.write(_summary(outcome))


def _summary(outcome: SuiteOutcome) -> str:
    here, page = Path.cwd(), outcome.folder / PAGE
    place = page if page.is_file() else outcome.folder
    shown = place.relative_to(here) if place.is_relative_to(here) else place
    return render_suite(outcome.suite, shown, width=width(), colour=colourful())
