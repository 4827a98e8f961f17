"""`chaosrun plan EXPERIMENT`: how many load processes and machines its load needs, and why; nothing is run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from chaosrun.commands._options import FORMAT, one_experiment, spec_options
from chaosrun.commands._session import Session
from chaosrun.errors import Exit, UsageError

if TYPE_CHECKING:
    from chaosrun.capacity import Capacity


@click.command("plan", short_help="Tell how many load processes and machines a load needs.")
@click.argument("experiment", type=click.Path(path_type=Path))
@spec_options
@click.option(
    "--pushes",
    multiple=True,
    metavar="[GROUP=]RATE",
    help="What the service pushes to each client, as in 10/s, or none; may be repeated.",
)
@click.option(
    "--like",
    type=click.Path(path_type=Path),
    metavar="RUN",
    help="The folder of a run made here, of fewer clients perhaps: for what they do, and what that costs.",
)
@click.option(
    "--format",
    "form",
    type=FORMAT,
    default="text",
    show_default=True,
    help="What standard output gets: the answer in words, or everything as JSON.",
)
@click.pass_obj
def command(
    session: Session,
    *,
    experiment: Path,
    profile: str | None,
    sets: tuple[str, ...],
    target: Path | None,
    pushes: tuple[str, ...],
    like: Path | None,
    form: str,
) -> int:
    """Tell how many load processes and machines the load of an experiment needs, what bounds it, and what one process
    on this machine can hold.

    It reckons with costs that were measured on one machine; --like takes them from a run that was made on this one.
    The exit code is 69 if this machine cannot play the load, or no cluster that it is meant for could.
    """
    from chaosrun import sizing  # noqa: PLC0415 - the whole of chaosrun, which --help has no use for
    from chaosrun.capacity import capacity  # noqa: PLC0415 - as above
    from chaosrun.costs import MEASURED  # noqa: PLC0415 - as above
    from chaosrun.doctor.machine import room  # noqa: PLC0415 - as above
    from chaosrun.spec.loader import load_experiment  # noqa: PLC0415 - as above

    rates = _rates(pushes)
    loaded = load_experiment(
        one_experiment(experiment), profile=profile, sets=sets, target=target, revealed=session.secrets
    )
    demand, costs, factor = sizing.with_pushes(sizing.demand_of(loaded), rates), MEASURED, None
    if like is not None:
        demand, costs, factor = sizing.like(demand, costs, sizing.example(like))
    found = capacity(demand, costs=costs, machine=room(shared=sizing.is_ours(loaded)))
    _show(session, found, loaded.experiment.title, factor, form)
    return Exit.PASSED if found.fits else Exit.UNAVAILABLE


def _rates(texts: Sequence[str]) -> dict[str | None, float]:
    """By group; of all others under None.

    Raises:
        UsageError: one is no rate, or a group has two.
    """
    from chaosrun.spec.units import UnitError, rate_per_s  # noqa: PLC0415 - what --help has no use for

    rates: dict[str | None, float] = {}
    for text in texts:
        group, _, rate = text.rpartition("=")
        try:
            found = 0.0 if rate == "none" else rate_per_s(rate)
        except UnitError as error:
            raise UsageError(f"--pushes {text}: {rate!r} is no rate; write for example 10/s, or none") from error
        if (group or None) in rates:
            raise UsageError(f"--pushes {text}: the second for {f'group {group}' if group else 'every group'}; say one")
        rates[group or None] = found
    return rates


def _show(session: Session, found: Capacity, title: str, factor: float | None, form: str) -> None:
    from chaosrun.commands._plan import write_json  # noqa: PLC0415 - only when called
    from chaosrun.commands._tables import width  # noqa: PLC0415 - as above
    from chaosrun.reports._capacity import capacity_json, render_capacity  # noqa: PLC0415 - as above

    if form == "json":
        write_json(session, capacity_json(found, title, factor))
        return
    source = f"measured on {found.costs.source}"
    if factor is not None:
        source = f"those of that run, CPU x {factor:.2f} of what was {source}"
    else:
        source += "; another machine, service or message costs more or less: --like RUN takes them from a run here"
    session.write(render_capacity(found, title, source, width=width()))
