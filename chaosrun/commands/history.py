"""`chaosrun history`: all runs of a folder by experiment, how their numbers went, and what got worse."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import click

from chaosrun.commands._options import FORMAT
from chaosrun.commands._session import Session
from chaosrun.errors import Exit, UsageError

if TYPE_CHECKING:
    from chaosrun.history.index import Runs
    from chaosrun.history.trends import History

_FEWEST_OF_CONDITIONS = 8
"""So many characters of a fingerprint are shown."""


@click.command("history", short_help="How the runs of a folder went, and what got worse.")
@click.argument("experiment", required=False)
@click.option(
    "--report-dir",
    type=click.Path(path_type=Path),
    default=Path("reports"),
    show_default=True,
    metavar="DIR",
    help="Where the runs are kept.",
)
@click.option("--metric", metavar="NAME", help="Look at this number.  [default: ttr; of load tests response_p99]")
@click.option(
    "--last", type=click.IntRange(1), default=30, show_default=True, metavar="N", help="Show the last N runs."
)
@click.option(
    "--format",
    "form",
    type=FORMAT,
    default="text",
    show_default=True,
    help="What standard output gets: a summary, or everything as JSON.",
)
@click.option("--page", type=click.Path(path_type=Path), metavar="FILE", help="Write a page with every trend, too.")
@click.option("--check", is_flag=True, help="Exit with 1 where something that is shown got worse.")
@click.option(
    "--accept", metavar="WHY", help="Of one experiment: the runs that got worse are the new normal, for this reason."
)
@click.option("--revoke", is_flag=True, help="Take back what was accepted last.")
@click.option("--rebuild", is_flag=True, help="Read every result again.")
@click.pass_obj
def command(
    session: Session,
    *,
    experiment: str | None,
    report_dir: Path,
    metric: str | None,
    last: int,
    form: str,
    page: Path | None,
    check: bool,
    accept: str | None,
    revoke: bool,
    rebuild: bool,
) -> int:
    """Show how the runs below --report-dir went: a line for each experiment and conditions, with its last good run,
    and whether its newest runs are worse than the good ones before them.

    EXPERIMENT, a title, a part of it, the experiment's file or the eight characters that stand for conditions, shows
    every run of that experiment. The exit code is 0, also where something got worse, unless --check asks for it.
    """
    from chaosrun.commands._accepting import accept_line, refuse_senseless, revoke_line  # noqa: PLC0415 - as below
    from chaosrun.commands._tables import colourful, width  # noqa: PLC0415 - only when called
    from chaosrun.history.index import read_runs  # noqa: PLC0415 - as above
    from chaosrun.reports._history import render, to_json  # noqa: PLC0415 - as above

    refuse_senseless(experiment, accept, revoke=revoke)

    def look() -> History:
        found = _history(read_runs(report_dir, rebuild=rebuild), metric)
        for note in found.notes:
            session.tell(note)
        return found if experiment is None else _only(session, found, experiment)

    found = look()
    if accept is not None:
        accept_line(session, found, accept)
    if revoke:
        revoke_line(session, found)
    if accept is not None or revoke:
        found = look()
    if not found.lines and not found.unread and not found.unscored:
        raise UsageError(f"{report_dir}: no run is kept here; name another folder with --report-dir")
    if page is not None:
        _write_page(session, page, found)
    if form == "json":
        session.write_bytes(to_json(found))
    else:
        detailed = experiment is not None
        session.write(render(found, runs=last, detailed=detailed, width=width(), colour=colourful()))
    worse = check and any(line.verdict == "regression" for line in found.lines)
    return Exit.FAILED if worse else Exit.PASSED


def _history(runs: Runs, metric: str | None) -> History:
    """Raises: UsageError: runs cannot be compared by this number."""
    from chaosrun.history.trends import history  # noqa: PLC0415 - only when called
    from chaosrun.scoring.compared_names import no_such_number  # noqa: PLC0415 - as above

    try:
        return history(runs, metric)
    except KeyError:
        raise UsageError(no_such_number(metric or "")) from None


def _only(session: Session, found: History, named: str) -> History:
    """The lines of one experiment.

    Raises:
        UsageError: none of them is meant.
    """
    from msgspec.structs import replace  # noqa: PLC0415 - what --help has no use for

    title = _title(session, named)
    titles = {line.title for line in found.lines}
    meant = {each for each in titles if each == title} or {each for each in titles if title.lower() in each.lower()}
    lines = [line for line in found.lines if line.title in meant]
    if not meant and len(named) >= _FEWEST_OF_CONDITIONS:
        lines = [line for line in found.lines if line.fingerprint.startswith(named)]
    if not lines:
        known = "; ".join(sorted(titles)) or "no run is kept here"
        raise UsageError(
            f"{named!r}: there is no run of such an experiment in {found.folder}; there are runs of: {known}"
        )
    return replace(found, lines=tuple(lines))


def _title(session: Session, named: str) -> str:
    """What it is called: a file says so itself.

    Raises:
        SpecError: the file is no experiment.
    """
    if Path(named).suffix not in (".yaml", ".yml"):
        return named
    from chaosrun.commands._options import one_experiment  # noqa: PLC0415 - what --help has no use for
    from chaosrun.spec.loader import load_experiment  # noqa: PLC0415 - as above

    return load_experiment(one_experiment(Path(named)), revealed=session.secrets).experiment.title


def _write_page(session: Session, page: Path, found: History) -> None:
    """Raises: Unwritable: it cannot be written."""
    from chaosrun.errors import Unwritable  # noqa: PLC0415 - only for a page
    from chaosrun.reports._history_page import render_page  # noqa: PLC0415 - as above

    def link(place: str) -> str | None:
        """Seen from the page's folder, wherever both are moved together."""
        report = Path(found.folder) / place / "report.html"
        if not report.is_file():
            return None
        return quote(os.path.relpath(report.resolve(), page.parent.resolve()))

    drawn = render_page(found, link)
    try:
        page.write_bytes(drawn)
    except OSError as error:
        raise Unwritable(f"{page}: cannot be written ({error.strerror}); name another file with --page") from error
    session.tell(f"the page is {page}")
