"""`chaosrun gameday DAY`: experiments one after another in a window of time, with one report and exit code over all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from chaosrun.commands._against import against_options, held_against, refuse_metrics_alone
from chaosrun.commands._options import format_option, one_experiment
from chaosrun.commands._plan import confirm_all, foreseen_of, refuse_form, show_plans, write_json
from chaosrun.commands._session import Session
from chaosrun.errors import ChaosrunError, Exit, UsageError

if TYPE_CHECKING:
    from chaosrun.against import Against
    from chaosrun.engine import Watcher
    from chaosrun.foreseen import Foreseen
    from chaosrun.gameday.loader import LoadedDay, Variant

Plans = list[Callable[[], "Foreseen"]]
Find = Callable[["Variant"], "Against | None"]


@click.command("gameday", short_help="Run experiments one after another, in a window of time.")
@click.argument("day", type=click.Path(path_type=Path))
@click.option(
    "--report-dir",
    type=click.Path(path_type=Path),
    default=Path("reports"),
    show_default=True,
    metavar="DIR",
    help="Where days are kept, a folder each.",
)
@against_options
@format_option
@click.option("--no-live", is_flag=True, help="Plain progress lines, on a terminal too.")
@click.option("--dry-run", is_flag=True, help="Tell what would be done, and when; do nothing.")
@click.option("--yes", is_flag=True, help="Do not ask, and run: for targets on other machines without a terminal.")
@click.pass_obj
def command(
    session: Session,
    *,
    day: Path,
    report_dir: Path,
    against: str | None,
    against_metrics: tuple[str, ...],
    form: str,
    no_live: bool,
    dry_run: bool,
    yes: bool,
) -> int:
    """Run the experiments of the game day in the file DAY, one after another.

    It runs only within its window. Outside, and on a blackout date, it ends with exit code 75 and says when it may run
    next. The day ends at the first experiment that its `stop_on` names, and always at one that left the system not as
    it was found.
    """
    path = one_experiment(day)
    if dry_run:
        refuse_form(form)

    from chaosrun.commands._last_words import tell_last_words_through  # noqa: PLC0415 - what --help has no use for
    from chaosrun.gameday.loader import load_day  # noqa: PLC0415 - as above
    from chaosrun.gameday.notices import cannot_tell  # noqa: PLC0415 - as above

    loaded = load_day(path, revealed=session.secrets)
    tell_last_words_through(session)
    if (why := cannot_tell(loaded.day.notify)) is not None:
        session.tell(f"not everybody will be told of this day: {why}")
    refuse_metrics_alone(against or loaded.day.against, against_metrics)
    standard = _standard(session, loaded, against, against_metrics, report_dir)
    plans = [_plan_of(variant, report_dir, standard) for variant in loaded.variants]
    if dry_run:
        return _show(session, loaded, plans, form)
    if not yes:
        confirm_all(session, [(each.loaded, plan) for each, plan in zip(loaded.variants, plans, strict=True)])
    return _run(session, loaded, report_dir, standard, form, live=not no_live)


def _run(session: Session, loaded: LoadedDay, report_dir: Path, standard: Find, form: str, *, live: bool) -> int:
    """Raises:
    NotNow, Dirty, Unwritable: as `run_day`.
    """
    from chaosrun import engine  # noqa: PLC0415 - what --help has no use for
    from chaosrun.commands._suite_output import show_suite  # noqa: PLC0415 - as above
    from chaosrun.gameday.day import Surroundings, run_day  # noqa: PLC0415 - as above
    from chaosrun.reports._progress import watching  # noqa: PLC0415 - as above
    from chaosrun.reports._suite_files import SuiteReports  # noqa: PLC0415 - as above

    @contextmanager
    def watch(heading: str) -> Iterator[Watcher]:
        with watching(live=live, secrets=session.secrets, heading=heading) as view:
            yield view

    reports = SuiteReports()
    options = engine.Options(report_dir=report_dir, draw=reports.draw_run)
    around = Surroundings(
        watch=watch, tell=session.complain, secrets=session.secrets, against=standard, draw=reports.draw_suite
    )
    finished = run_day(loaded, options, around)
    for error in finished.errors:
        if isinstance(error, ChaosrunError):
            session.complain(str(error))
        else:
            session.complain_of_defect(error)
    show_suite(session, finished.outcome, form)
    return finished.outcome.exit


def _standard(
    session: Session, loaded: LoadedDay, against: str | None, metrics: tuple[str, ...], report_dir: Path
) -> Find:
    """Finds what an experiment is held against, once for each, and tells it; what the command line says goes before
    what the day's file does."""
    found: dict[int, Against | None] = {}
    named = against or loaded.day.against
    by = "--against-metric" if metrics else "`against_metrics`"
    several = metrics or tuple(dict.fromkeys(loaded.day.against_metrics))

    def find(variant: Variant) -> Against | None:
        if variant.index not in found:
            try:
                found[variant.index] = held_against(
                    session, named, several, variant.loaded, report_dir, variant.entry.repeat, by
                )
            except UsageError as error:
                raise UsageError(f"{variant.where}: experiments.{variant.index}: {error}") from error
        return found[variant.index]

    return find


def _plan_of(variant: Variant, report_dir: Path, standard: Find) -> Callable[[], Foreseen]:
    return lambda: foreseen_of(
        variant.loaded,
        profile=variant.entry.profile,
        report_dir=report_dir,
        max_duration_ns=None,
        repeat=variant.entry.repeat,
        against=standard(variant),
    )


def _show(session: Session, loaded: LoadedDay, plans: Plans, form: str) -> int:
    """What the day would do, and whether it may do so now; the exit code with which it would be refused."""
    from chaosrun.gameday.day import refusal, utc_now  # noqa: PLC0415 - only when asked
    from chaosrun.gameday.words import prospect, prospect_told  # noqa: PLC0415 - as above
    from chaosrun.reports._safe_text import clean  # noqa: PLC0415 - as above
    from chaosrun.scoring.repeats import worst  # noqa: PLC0415 - as above

    now = utc_now()
    refused = refusal(loaded, now)
    foreseen = [plan() for plan in plans]
    if form == "json":
        codes = [Exit(each.exit_code) for each in foreseen]
        code = worst([*codes, Exit.PASSED if refused is None else refused.exit])
        write_json(session, prospect(loaded, now, foreseen, refused, code))
    else:
        for line in prospect_told(loaded, now):
            session.write_line(clean(line))
        code = worst([Exit(show_plans(session, foreseen, form)), Exit.PASSED if refused is None else refused.exit])
    if refused is not None:
        session.complain(str(refused))
    return code
