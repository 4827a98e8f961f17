"""`chaosrun run EXPERIMENT...`, the default command: run one, or several one after another, show what came of it, and
say so by the exit code."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from chaosrun.commands._against import against_options, held_against, refuse_metrics_alone
from chaosrun.commands._folder import (
    Several,
    entries_of,
    experiments_of,
    is_several,
    name_of,
    run_folder,
    skip_option,
    stop_option,
)
from chaosrun.commands._metrics import metrics_options, published, together
from chaosrun.commands._options import duration, fleet_option, format_option, one_experiment, spec_options
from chaosrun.commands._plan import confirm, foreseen_of, show_plan
from chaosrun.commands._repeat import repeat_options, repetition, rest_ns, run_several
from chaosrun.commands._session import Session
from chaosrun.errors import ChaosrunError, Exit, UsageError

if TYPE_CHECKING:
    from chaosrun.engine import Options, Watcher
    from chaosrun.foreseen import Foreseen
    from chaosrun.outcome import Outcome
    from chaosrun.spec.fleet import FleetKind
    from chaosrun.spec.loader import Loaded


class Interrupted(ChaosrunError):
    """Ctrl-C after the last phase: the run is complete, its score is not there."""

    exit = Exit.ABORTED


@click.command("run")
@click.argument("experiments", type=click.Path(path_type=Path), nargs=-1, required=True, metavar="EXPERIMENT...")
@spec_options
@click.option(
    "--report-dir",
    type=click.Path(path_type=Path),
    default=Path("reports"),
    show_default=True,
    metavar="DIR",
    help="Where runs are kept, a folder each.",
)
@click.option("--max-duration", metavar="TIME", help="The whole run, undo included, is over after this long, as in 5m.")
@repeat_options
@skip_option
@stop_option
@format_option
@metrics_options
@click.option("--no-live", is_flag=True, help="Plain progress lines, on a terminal too.")
@click.option("--dry-run", is_flag=True, help="Tell what would be done, and to what; do nothing.")
@click.option("--yes", is_flag=True, help="Do not ask, and run: for a target on another machine without a terminal.")
@against_options
@fleet_option
@click.pass_obj
def command(
    session: Session,
    *,
    experiments: tuple[Path, ...],
    profile: str | None,
    sets: tuple[str, ...],
    target: Path | None,
    report_dir: Path,
    max_duration: str | None,
    repeat: int,
    seed: int | None,
    cool_down: str | None,
    skips: tuple[str, ...],
    stop_on: tuple[str, ...],
    form: str,
    metrics_port: int | None,
    metrics: str | None,
    no_live: bool,
    dry_run: bool,
    yes: bool,
    against: str | None,
    fleet: FleetKind | None,
    against_metrics: tuple[str, ...],
) -> int:
    """Run an experiment (the default command), or several one after another.

    EXPERIMENT is a file, or a folder, of which every experiment right in it is run, in the order of their names. The
    summary goes to standard output, progress to standard error, and everything that was recorded to a folder below
    --report-dir.
    """
    limit = None if max_duration is None else duration("--max-duration", max_duration)
    if against is not None and fleet == "in-process":
        raise UsageError(
            "--against compares numbers, and --fleet in-process is for looking into a protocol; say only one"
        )
    refuse_metrics_alone(against, against_metrics)
    several = is_several(experiments)
    repeated = repetition(repeat, seed, cool_down, of_several=several)
    if several:
        how = Several(
            report_dir,
            limit,
            repeat,
            rest_ns(cool_down),
            skips,
            stop_on,
            form,
            live=not no_live,
            against=against,
            against_metrics=against_metrics,
        )
        publishing = published(session, metrics_port, metrics)
        files = experiments_of(session, experiments)
        entries = entries_of(files, profile=profile, sets=sets, target=target, fleet=fleet, repetition=repeated)
        return run_folder(session, name_of(experiments), entries, how, dry_run=dry_run, yes=yes, publishing=publishing)
    if skips:
        raise UsageError("--skip is about several experiments; name a folder, or more than one file")
    if stop_on:
        raise UsageError("--stop-on is about several experiments; name a folder, or more than one file")
    path = one_experiment(experiments[0])
    publishing = published(session, metrics_port, metrics)

    from chaosrun import engine  # noqa: PLC0415 - the whole of chaosrun, which --help has no use for
    from chaosrun.commands._last_words import tell_last_words_through  # noqa: PLC0415 - as above
    from chaosrun.commands._output import show  # noqa: PLC0415 - as above
    from chaosrun.reports._files import draw_reports  # noqa: PLC0415 - as above
    from chaosrun.spec.loader import load_experiment  # noqa: PLC0415 - as above

    loaded = load_experiment(path, profile=profile, sets=sets, target=target, revealed=session.secrets)
    loaded = loaded.played_by(fleet)
    tell_last_words_through(session)

    held = held_against(session, against, against_metrics, loaded, report_dir, repeat)

    def foreseen() -> Foreseen:
        return foreseen_of(
            loaded, profile=profile, report_dir=report_dir, max_duration_ns=limit, repeat=repeat, against=held
        )

    if dry_run:
        return show_plan(session, foreseen(), form)
    if not yes:
        confirm(session, loaded, foreseen)
    options = engine.Options(
        report_dir=report_dir, max_duration_ns=limit, profile=profile, draw=draw_reports, against=held
    )
    with publishing as also:
        if repeated is not None:
            outcome, code = run_several(session, loaded, options, repeated, live=not no_live, also=also)
        else:
            outcome = _run_one(session, loaded, options, live=not no_live, also=also)
            code = outcome.exit
    show(session, outcome, form)
    return code


def _run_one(session: Session, loaded: Loaded, options: Options, *, live: bool, also: Watcher | None) -> Outcome:
    """Run it, and tell where it was recorded if it broke off.

    Raises:
        ChaosrunError: it did.
    """
    import asyncio  # noqa: PLC0415 - the whole of chaosrun, which --help has no use for

    from chaosrun import engine  # noqa: PLC0415 - as above
    from chaosrun.reports._progress import watching  # noqa: PLC0415 - as above

    try:
        with watching(live=live, secrets=session.secrets) as watcher:
            return asyncio.run(engine.run(loaded, options, together(watcher, also)))
    except KeyboardInterrupt as error:  # while the run goes on the engine itself heeds SIGINT: this is the scoring
        raise Interrupted(f"interrupted while the run was scored; chaosrun score {watcher.folder}") from error
    except ChaosrunError:
        if watcher.folder is not None and watcher.folder.exists():
            session.tell(f"what was recorded is in {watcher.folder}")
        raise
