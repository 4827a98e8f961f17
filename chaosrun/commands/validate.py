"""`chaosrun validate FILE...`: all that is wrong with experiments, steady states and game days; nothing is run."""

from __future__ import annotations

from pathlib import Path

import click

from chaosrun.commands._options import one_experiment, spec_options
from chaosrun.commands._session import Session
from chaosrun.errors import Exit, SpecError, UsageError


@click.command("validate")
@click.argument("files", type=click.Path(path_type=Path), nargs=-1, required=True, metavar="FILE...")
@spec_options
@click.pass_obj
def command(
    session: Session, *, files: tuple[Path, ...], profile: str | None, sets: tuple[str, ...], target: Path | None
) -> int:
    """Check experiments, steady states and game days, and print every problem.

    An experiment is checked as it is and with each of its profiles, together with the files that it includes; a game
    day with its experiments as it would run them.
    """
    problems: dict[str, None] = {}
    for file in files:
        try:
            _check(session, one_experiment(file), profile=profile, sets=sets, target=target)
        except UsageError as error:
            found = error.problems if isinstance(error, SpecError) else (str(error),)
            problems.update(dict.fromkeys(found))
        else:
            session.write_line(f"{file}: ok")
    for problem in problems:
        session.tell(problem)
    return Exit.USAGE if problems else Exit.PASSED


def _check(session: Session, file: Path, *, profile: str | None, sets: tuple[str, ...], target: Path | None) -> None:
    """Load a file as what it is.

    Raises:
        SpecError: with everything that is wrong.
    """
    from chaosrun.gameday.loader import load_day  # noqa: PLC0415 - only when called
    from chaosrun.spec.kinds import kind_of  # noqa: PLC0415 - as above
    from chaosrun.spec.loader import load_experiment, load_steady_state  # noqa: PLC0415 - as above

    kind = "experiment" if profile or sets or target else kind_of(file)
    if kind == "steady_state":
        load_steady_state(file)
    elif kind == "game_day":
        load_day(file, revealed=session.secrets)
    else:
        load_experiment(file, profile=profile, sets=sets, target=target, revealed=session.secrets)
