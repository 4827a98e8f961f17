"""`chaosrun score DIR`: score a recorded run again; the same records give the same bytes."""

from __future__ import annotations

from pathlib import Path

import click

from chaosrun.commands._options import format_option
from chaosrun.commands._session import Session


@click.command("score", short_help="Score a recorded run again.")
@click.argument("folder", type=click.Path(path_type=Path), metavar="DIR")
@format_option
@click.pass_obj
def command(session: Session, *, folder: Path, form: str) -> int:
    """Score a recorded run again and write its result.json; the exit code is that of the run."""
    from chaosrun import engine  # noqa: PLC0415 - only when called
    from chaosrun.commands._output import show  # noqa: PLC0415 - as above

    outcome = engine.score(folder)
    show(session, outcome, form)
    return outcome.exit
