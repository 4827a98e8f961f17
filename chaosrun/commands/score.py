"""`chaosrun score DIR`: score what was recorded again; the same records give the same bytes."""

from __future__ import annotations

from pathlib import Path

import click

from chaosrun.commands._options import format_option
from chaosrun.commands._session import Session


@click.command("score", short_help="Score what was recorded again.")
@click.argument("folder", type=click.Path(path_type=Path), metavar="DIR")
@format_option
@click.pass_obj
def command(session: Session, *, folder: Path, form: str) -> int:
    """Score a recorded run again, or every run of a series, a folder of experiments or a game day, and then all
    together: write result.json or suite.json, and draw the reports. The exit code is that of the run."""
    from chaosrun import series, suite_outcome  # noqa: PLC0415 - only when called
    from chaosrun.commands._output import show  # noqa: PLC0415 - as above
    from chaosrun.commands._suite_output import show_suite  # noqa: PLC0415 - as above
    from chaosrun.outcome import score  # noqa: PLC0415 - as above
    from chaosrun.reports._files import draw_reports  # noqa: PLC0415 - as above
    from chaosrun.reports._suite_files import SuiteReports  # noqa: PLC0415 - as above
    from chaosrun.series_folder import is_series  # noqa: PLC0415 - as above
    from chaosrun.suite_folder import is_suite  # noqa: PLC0415 - as above

    if is_suite(folder):
        reports = SuiteReports()
        several = suite_outcome.score(folder, reports.draw_run, reports.draw_suite)
        show_suite(session, several, form)
        return several.exit
    outcome = (series.score if is_series(folder) else score)(folder, draw_reports)
    show(session, outcome, form)
    return outcome.exit
