"""`chaosrun run EXPERIMENT --repeat N`: the options of a series, and its way through the command line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from chaosrun.commands._metrics import together
from chaosrun.commands._options import duration
from chaosrun.commands._session import Session
from chaosrun.errors import ChaosrunError, Exit, UsageError

if TYPE_CHECKING:
    from chaosrun.engine import Options, Watcher
    from chaosrun.outcome import Outcome
    from chaosrun.series import Repetition
    from chaosrun.spec.loader import Loaded

Decorated = TypeVar("Decorated", bound=Callable[..., Any])

MOST_RUNS: Final = 1000
_SEEDS: Final = 2**53
"""Below it every whole number is the same in every reader of JSON."""
_FRESH: Final = 2**32
"""A fresh one is short enough to be typed again."""
COOL_DOWN: Final = "5s"


def repeat_options(command: Decorated) -> Decorated:
    """--repeat, --seed and --cool-down."""
    for decorate in (
        click.option(
            "--cool-down", metavar="TIME", help=f"Rest between two runs, or two experiments.  [default: {COOL_DOWN}]"
        ),
        click.option(
            "--seed",
            type=click.IntRange(0, _SEEDS - 1),
            metavar="S",
            help="Draw the times of a series' faults from this seed again; default: a fresh one, which is recorded.",
        ),
        click.option(
            "--repeat",
            type=click.IntRange(1, MOST_RUNS),
            default=1,
            metavar="N",
            help=f"Run it N times (up to {MOST_RUNS}), each fault at a random phase of the requests, and score it all "
            "together.",
        ),
    ):
        command = decorate(command)
    return command


def rest_ns(cool_down: str | None) -> int:
    """What --cool-down says, in ns.

    Raises:
        UsageError: it is no length of time.
    """
    return duration("--cool-down", COOL_DOWN if cool_down is None else cool_down)


def repetition(repeat: int, seed: int | None, cool_down: str | None, *, of_several: bool = False) -> Repetition | None:
    """What the three options say; None: a single run.

    Args:
        of_several: there are several experiments, between which there is a rest too.

    Raises:
        UsageError: one of them makes no sense.
    """
    rest = rest_ns(cool_down)
    if repeat == 1:
        for name, value in (("--seed", seed), ("--cool-down", None if of_several else cool_down)):
            if value is not None:
                raise UsageError(f"{name} is about a series of runs; say --repeat N too, with N of at least 2")
        return None

    from secrets import randbelow  # noqa: PLC0415 - only for a series

    from chaosrun.series import Repetition  # noqa: PLC0415 - as above

    return Repetition(repeat, randbelow(_FRESH) if seed is None else seed, rest)


def run_several(
    session: Session,
    loaded: Loaded,
    options: Options,
    repetition: Repetition,
    *,
    live: bool,
    also: Watcher | None = None,
) -> tuple[Outcome, Exit]:
    """Run the series, and tell what it broke off with. Its result, and the exit code: that of the result, unless what
    it broke off with weighs more and could not be recorded.

    Args:
        also: watches every run beside the display.

    Raises:
        Exception: the first run broke off, so that there is no result, or it cannot be kept.
    """
    import asyncio  # noqa: PLC0415 - as above

    from chaosrun.reports._progress import watching  # noqa: PLC0415 - as above
    from chaosrun.scoring.repeats import worst  # noqa: PLC0415 - as above
    from chaosrun.series import run_series  # noqa: PLC0415 - as above

    @contextmanager
    def watch(heading: str) -> Iterator[Watcher]:
        with watching(live=live, secrets=session.secrets, heading=heading) as view:
            yield together(view, also)

    finished = asyncio.run(run_series(loaded, options, repetition, watch))
    if finished.outcome is None:
        if finished.folder.exists():
            session.tell(f"what was recorded is in {finished.folder}")
        assert finished.error is not None
        raise finished.error
    match finished.error:
        case None:
            return finished.outcome, finished.outcome.exit
        case ChaosrunError() as error:
            session.complain(str(error))
            return finished.outcome, worst((finished.outcome.exit, error.exit))
        case error:
            session.complain_of_defect(error)
            return finished.outcome, worst((finished.outcome.exit, Exit.DEFECT))
