"""`chaosrun FOLDER`: which experiments it means, and their way through the command line."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from chaosrun.commands._against import held_against
from chaosrun.commands._metrics import together
from chaosrun.commands._options import one_experiment
from chaosrun.commands._plan import confirm_all, foreseen_of, refuse_form, show_plans
from chaosrun.commands._session import Session
from chaosrun.errors import ChaosrunError, UsageError
from chaosrun.reports._safe_text import clean

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from chaosrun.engine import Watcher
    from chaosrun.entries import Entry, Item, Ready
    from chaosrun.foreseen import Foreseen
    from chaosrun.series import Repetition
    from chaosrun.spec.fleet import FleetKind

Decorated = TypeVar("Decorated", bound=Callable[..., Any])

SKIPS: Final = ("no-profile", "unavailable")
STOPS: Final = ("dirty", "failed", "inconclusive")


def skip_option(command: Decorated) -> Decorated:
    """--skip."""
    return click.option(
        "--skip",
        "skips",
        multiple=True,
        type=click.Choice(SKIPS),
        help="Of several experiments: leave out, by name, those without the profile of --profile, or those that need "
        "something that is not here; may be repeated.",
    )(command)


def stop_option(command: Decorated) -> Decorated:
    """--stop-on."""
    return click.option(
        "--stop-on",
        multiple=True,
        type=click.Choice(STOPS),
        help="Of several experiments: begin none after the first with this verdict, or that a guard ended; may be "
        "repeated. One that left the system not as it was found always ends them.",
    )(command)


@dataclass(frozen=True)
class Several:
    """How several experiments are to be run."""

    report_dir: Path
    max_duration_ns: int | None
    """Of each run."""
    repeat: int
    cool_down_ns: int
    """Between two experiments, and between two runs of one."""
    skips: tuple[str, ...]
    stop_on: tuple[str, ...]
    """Verdicts that end all; empty: only what always does."""
    form: str
    live: bool
    against: str | None
    """What each is held against: `last-good`, or the name of runs."""
    against_metrics: tuple[str, ...]
    """The numbers that decide; empty: of each the usual one."""


def is_several(paths: Sequence[Path]) -> bool:
    """Whether more is meant than one file."""
    return len(paths) > 1 or _is_folder(paths[0])


def _is_folder(path: Path) -> bool:
    # The method of a path raises where its name is longer than a name can be.
    return os.path.isdir(path)  # noqa: PTH112


def name_of(paths: Sequence[Path]) -> str:
    """What all of them together are called."""
    first = paths[0].resolve()
    name = first.name if _is_folder(first) else first.stem
    return name if len(paths) == 1 else f"{name} and {len(paths) - 1} more"


def experiments_of(session: Session, paths: Sequence[Path]) -> list[Path]:
    """The files that are named, and the experiments of the folders that are named, in the order of their names. What
    else is in a folder is told.

    Raises:
        UsageError: something is not there, or a folder holds no experiment.
    """
    return [
        file for path in paths for file in (_in_folder(session, path) if _is_folder(path) else [one_experiment(path)])
    ]


def _in_folder(session: Session, folder: Path) -> Iterator[Path]:
    from chaosrun.spec.kinds import kind_of  # noqa: PLC0415 - only for folders

    try:
        listed = [file for file in folder.iterdir() if file.suffix in (".yaml", ".yml")]
        # Hidden are the locks of editors, and what systems keep beside a file. A link to nothing is none of these.
        files = sorted(file for file in listed if not file.name.startswith(".") and not file.is_dir())
    except OSError as error:
        raise UsageError(f"{clean(str(folder))}: cannot be read ({error.strerror})") from error
    found = [file for file in files if kind_of(file) == "experiment"]
    if not found:
        deeper = sorted({file.parent for file in folder.rglob("*.y*ml") if file.parent != folder})
        hint = f"; name one of its own folders, such as {deeper[0]}" if deeper else ""
        raise UsageError(f"{clean(str(folder))}: no experiment lies directly in this folder{clean(hint)}")
    if aside := [file.name for file in files if file not in found]:
        session.tell(f"no experiments, and left aside: {', '.join(map(clean, aside))}")
    return iter(found)


def entries_of(
    files: Sequence[Path],
    *,
    profile: str | None,
    sets: tuple[str, ...],
    target: Path | None,
    fleet: FleetKind | None,
    repetition: Repetition | None,
) -> list[Entry]:
    """The same options for all of them."""
    from chaosrun.entries import Entry  # noqa: PLC0415 - only for several

    return [
        Entry(file, profile=profile, sets=sets, target=target, fleet=fleet, repetition=repetition) for file in files
    ]


def run_folder(
    session: Session,
    title: str,
    entries: Sequence[Entry],
    several: Several,
    *,
    dry_run: bool,
    yes: bool,
    publishing: AbstractContextManager[Watcher | None],
) -> int:
    """Run the experiments one after another, show what came of them, and give the worst exit code.

    Raises:
        UsageError: one of them is wrong; none was begun.
        ChaosrunError: nothing can be kept.
    """
    if dry_run:
        refuse_form(several.form)
    import asyncio  # noqa: PLC0415 - the whole of chaosrun, which --help has no use for

    from chaosrun import engine  # noqa: PLC0415 - as above
    from chaosrun.commands._last_words import tell_last_words_through  # noqa: PLC0415 - as above
    from chaosrun.commands._suite_output import show_suite  # noqa: PLC0415 - as above
    from chaosrun.entries import LeftOut, load_entries  # noqa: PLC0415 - as above
    from chaosrun.reports._progress import watching  # noqa: PLC0415 - as above
    from chaosrun.reports._suite_files import SuiteReports  # noqa: PLC0415 - as above
    from chaosrun.sequence import Course, run_sequence, stops  # noqa: PLC0415 - as above

    items = load_entries(entries, revealed=session.secrets, skip=several.skips)  # type: ignore[arg-type]  # of SKIPS
    tell_last_words_through(session)
    for item in items:
        if isinstance(item, LeftOut):
            session.tell(clean(f"{item.entry.path}: skipped: {item.why}"))
    items = [_held_against(session, item, several) for item in items]
    plans = [(item.loaded, _plan_of(item, several)) for item in _ready(items)]
    if dry_run:
        return show_plans(session, [plan() for _, plan in plans], several.form)
    if not yes:
        confirm_all(session, plans)
    reports = SuiteReports()
    course = Course(
        title=title,
        kind="suite",
        cool_down_ns=several.cool_down_ns,
        stop_at=stops(several.stop_on) if several.stop_on else frozenset(),  # type: ignore[arg-type]  # of STOPS
        skip_unavailable="unavailable" in several.skips,
    )
    options = engine.Options(
        report_dir=several.report_dir,
        max_duration_ns=several.max_duration_ns,
        draw=reports.draw_run,
    )
    with publishing as also:

        @contextmanager
        def watch(heading: str) -> Iterator[Watcher]:
            with watching(live=several.live, secrets=session.secrets, heading=heading) as view:
                yield together(view, also)

        finished = asyncio.run(run_sequence(items, course, options, watch, draw=reports.draw_suite))
    for error in finished.errors:
        if isinstance(error, ChaosrunError):
            session.complain(str(error))
        else:
            session.complain_of_defect(error)
    show_suite(session, finished.outcome, several.form)
    return finished.outcome.exit


def _ready(items: Sequence[Item]) -> list[Ready]:
    from chaosrun.entries import Ready  # noqa: PLC0415 - only when asked

    return [item for item in items if isinstance(item, Ready)]


def _held_against(session: Session, item: Item, several: Several) -> Item:
    """Raises: UsageError: it cannot be held against that."""
    from chaosrun.entries import Ready  # noqa: PLC0415 - only when asked

    if not isinstance(item, Ready):
        return item
    against = held_against(
        session, several.against, several.against_metrics, item.loaded, several.report_dir, several.repeat
    )
    return replace(item, against=against)


def _plan_of(item: Ready, several: Several) -> Callable[[], Foreseen]:
    return lambda: foreseen_of(
        item.loaded,
        profile=item.entry.profile,
        report_dir=several.report_dir,
        max_duration_ns=several.max_duration_ns,
        repeat=several.repeat,
        against=item.against,
    )
