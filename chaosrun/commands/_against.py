"""`chaosrun run EXPERIMENT --against RUN|last-good`: what it is held against, told before anything begins."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from chaosrun.commands._options import Decorated
from chaosrun.commands._session import Session
from chaosrun.errors import UsageError

if TYPE_CHECKING:
    from chaosrun.against import Against
    from chaosrun.spec.loader import Loaded


def against_options(command: Decorated) -> Decorated:
    """--against and --against-metric."""
    for decorate in (
        click.option(
            "--against-metric",
            "against_metrics",
            multiple=True,
            metavar="NAME",
            callback=_known,
            help="With --against: decide by this number, as in back_99 or response_p99@baseline; may be repeated.  "
            "[default: ttr; of load tests response_p99]",
        ),
        click.option(
            "--against",
            metavar="RUN|last-good",
            help="Being worse than these runs, or than the last good ones of its kind in --report-dir, is a failure.",
        ),
    ):
        command = decorate(command)
    return command


def _known(_: click.Context, __: click.Parameter, names: tuple[str, ...]) -> tuple[str, ...]:
    """Each name once.

    Raises:
        UsageError: runs cannot be compared by it.
    """
    if not names:
        return ()
    from chaosrun.scoring.compared_names import why_no_number  # noqa: PLC0415 - what --help has no use for

    for name in names:
        if (why := why_no_number(name)) is not None:
            raise UsageError(why)
    return tuple(dict.fromkeys(names))


def refuse_metrics_alone(named: str | None, metrics: Sequence[str]) -> None:
    """Raises: UsageError: there are numbers that decide, and nothing to hold them against."""
    if metrics and named is None:
        raise UsageError("--against-metric says by what --against decides; say --against last-good, too")


def held_against(
    session: Session,
    named: str | None,
    metrics: Sequence[str],
    loaded: Loaded,
    report_dir: Path,
    runs: int,
    metrics_by: str = "--against-metric",
) -> Against | None:
    """What so many runs are to be held against; it is told on standard error.

    Args:
        metrics: the numbers that decide; none: the usual one.
        metrics_by: where a user names them.

    Raises:
        UsageError: there is no such run, or it cannot be compared.
    """
    if named is None:
        return None
    from chaosrun.scoring.against import foretold  # noqa: PLC0415 - what --help has no use for
    from chaosrun.standards import find_against  # noqa: PLC0415 - as above

    against = find_against(named, loaded, report_dir, metrics, metrics_by)
    session.tell(f"{loaded.experiment.title}: {foretold(against, runs)}")
    return against
