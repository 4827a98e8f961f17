"""`chaosrun list [FOLDER]`: the experiments of a folder, what they need, and whether this machine can run them."""

from __future__ import annotations

from pathlib import Path

import click

from chaosrun.commands._session import Session
from chaosrun.errors import Exit, SpecError, UsageError


@click.command("list", short_help="List experiments, and whether they can run here.")
@click.argument("folder", type=click.Path(path_type=Path), default=Path("experiments"))
@click.pass_obj
def command(session: Session, *, folder: Path) -> int:
    """List the experiments and game days of a FOLDER [default: experiments], and of the folders below it, and whether
    this machine can run them.

    What is neither by its keys is left out. The exit code is 2 if one of them is not valid.
    """
    from chaosrun.commands._tables import table  # noqa: PLC0415 - only when called
    from chaosrun.spec.kinds import kind_of  # noqa: PLC0415 - as above

    if not folder.is_dir():
        raise UsageError(f"{folder}: there is no such folder; name one that holds experiments")
    there = sorted(file for file in folder.rglob("*.y*ml") if file.suffix in (".yaml", ".yml"))
    kinds = {file: kind_of(file) for file in there}
    files = [file for file, kind in kinds.items() if kind in ("experiment", "game_day")]
    if not files:
        raise UsageError(f"{folder}: no experiment is here; `chaosrun init URL` writes a first one")
    valid = True
    rows: list[tuple[str, str, str]] = []
    for file in files:
        try:
            rows += (_describe_day if kinds[file] == "game_day" else _describe)(session, file)
        except SpecError as error:
            valid = False
            count = len(error.problems)
            rows.append((str(file), "no", f"not valid ({count} problem{'s' * (count > 1)})"))
            rows.append(("", "", f"chaosrun validate {file}"))
    table(session, ("experiment", "runs here", "about"), rows)
    return Exit.PASSED if valid else Exit.USAGE


def _describe(session: Session, file: Path) -> list[tuple[str, str, str]]:
    """The lines of the table for one experiment.

    Raises:
        SpecError: it is none.
    """
    from chaosrun.doctor.needs import lacking, needs  # noqa: PLC0415 - only when called
    from chaosrun.spec.loader import load_experiment  # noqa: PLC0415 - as above

    loaded = load_experiment(file, revealed=session.secrets)
    experiment = loaded.experiment
    findings = needs(experiment)
    missing = lacking(findings)
    clients = sum(group.clients for group in experiment.steady_state.load.values())
    about = [
        f"needs {clients:,} clients, {', '.join(finding.name for finding in findings)}",
        *(f"lacks {finding.name}: {finding.found}" for finding in missing),
        *([f"tags {', '.join(experiment.tags)}"] if experiment.tags else []),
        *([f"profiles {', '.join(experiment.profiles)}"] if experiment.profiles else []),
    ]
    return [(str(file), "no" if missing else "yes", experiment.title), *(("", "", line) for line in about)]


def _describe_day(session: Session, file: Path) -> list[tuple[str, str, str]]:
    """The same for a game day.

    Raises:
        SpecError: something is wrong with it, or with one of its experiments.
    """
    from chaosrun.doctor.needs import lacking, needs  # noqa: PLC0415 - only when called
    from chaosrun.gameday.calendar import windows_told  # noqa: PLC0415 - as above
    from chaosrun.gameday.loader import load_day  # noqa: PLC0415 - as above

    loaded = load_day(file, revealed=session.secrets)
    missing = [each for variant in loaded.variants for each in lacking(needs(variant.loaded.experiment))]
    about = [
        f"game day: {', '.join(variant.path.name for variant in loaded.variants)}",
        f"may run {windows_told(loaded.day.windows())}, {loaded.day.time_zone}",
        *dict.fromkeys(f"lacks {finding.name}: {finding.found}" for finding in missing),
    ]
    return [(str(file), "no" if missing else "yes", loaded.day.title), *(("", "", line) for line in about)]
