"""`chaosrun report DIR...`: draw the reports of recorded runs again."""

from __future__ import annotations

import click

from chaosrun.commands._session import Session
from chaosrun.errors import Exit


@click.command("report", short_help="Draw the reports of recorded runs again.")
@click.argument("folders", nargs=-1, required=True, metavar="DIR...")
@click.option("--only", multiple=True, metavar="KIND", help="Only this report, as in html; may be repeated.")
@click.pass_obj
def command(session: Session, *, folders: tuple[str, ...], only: tuple[str, ...]) -> int:
    """Draw report.html and all other reports again, from what was recorded and how it was scored then.

    DIR is the folder of a run, of a series, of several experiments, or a folder that holds such folders. The exit code
    tells whether it could be done; `chaosrun score` tells that of the run.
    """
    from chaosrun.commands._output import tell_undrawn  # noqa: PLC0415 - only when called
    from chaosrun.kept_runs import find_runs, find_suites, read_assessed, read_told  # noqa: PLC0415 - as above
    from chaosrun.outcome import code_of  # noqa: PLC0415 - as above
    from chaosrun.reports._suite_files import SuiteReports  # noqa: PLC0415 - as above

    undrawn: list[Exception] = []
    reports = SuiteReports(only)
    for folder in (run for named in folders for run in find_runs(named)):
        place = folder if folder.is_dir() else folder.parent
        undrawn += reports.draw_run(place, read_assessed(place))
        session.write_line(str(place))
    for suite in (suite for named in folders for suite in find_suites(named)):
        undrawn += reports.draw_suite(suite, *read_told(suite))
        session.write_line(str(suite))
    tell_undrawn(session, undrawn)
    return code_of(Exit.PASSED, undrawn)
