"""`chaosrun doctor [EXPERIMENT]`: what this machine can and cannot do."""

from __future__ import annotations

from pathlib import Path

import click

from chaosrun.commands._options import one_experiment, spec_options
from chaosrun.commands._session import Session
from chaosrun.errors import Exit

_HEADER = ("what", "state", "found", "needed for")


@click.command("doctor", short_help="Show what this machine can and cannot do.")
@click.argument("experiment", type=click.Path(path_type=Path), required=False)
@spec_options
@click.pass_obj
def command(
    session: Session, *, experiment: Path | None, profile: str | None, sets: tuple[str, ...], target: Path | None
) -> int:
    """Show what this machine can and cannot do, or what an EXPERIMENT needs of it.

    With an experiment the exit code is 69 if something that it needs is not here.
    """
    from chaosrun.commands._tables import table  # noqa: PLC0415 - only when called
    from chaosrun.doctor import examine  # noqa: PLC0415 - as above

    if experiment is None:
        table(session, _HEADER, [(each.name, each.state, each.found, each.needed_for) for each in examine()])
        return Exit.PASSED
    from chaosrun.doctor.needs import lacking, needs  # noqa: PLC0415 - as above
    from chaosrun.spec.loader import load_experiment  # noqa: PLC0415 - as above

    loaded = load_experiment(
        one_experiment(experiment), profile=profile, sets=sets, target=target, revealed=session.secrets
    )
    findings = needs(loaded.experiment)
    table(session, _HEADER, [(each.name, each.state, each.found, each.needed_for) for each in findings])
    return Exit.UNAVAILABLE if lacking(findings) else Exit.PASSED
