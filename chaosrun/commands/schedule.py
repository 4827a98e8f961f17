"""`chaosrun schedule DAY --for systemd|cron|github`: what starts a game day at the beginning of its windows."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from chaosrun.commands._options import one_experiment
from chaosrun.commands._session import Session
from chaosrun.errors import Exit, Unwritable, UsageError

if TYPE_CHECKING:
    from chaosrun.gameday.loader import Outline
    from chaosrun.gameday.scheduling import Job

_PLACES = {"systemd": "/etc/systemd/system", "cron": "a crontab (crontab -e)", "github": ".github/workflows"}


@click.command("schedule", short_help="Print what starts a game day: systemd units, cron, a workflow.")
@click.argument("day", type=click.Path(path_type=Path))
@click.option(
    "--for", "kind", type=click.Choice(tuple(_PLACES)), default="systemd", show_default=True, help="What starts it."
)
@click.option(
    "--into", type=click.Path(path_type=Path), metavar="DIR", help="Write the files here; default: print them."
)
@click.option(
    "--report-dir",
    type=click.Path(path_type=Path),
    default=Path("reports"),
    show_default=True,
    metavar="DIR",
    help="Where the day will be kept.",
)
@click.option("--yes", is_flag=True, help="The day may reach other machines than this one, and will not ask.")
@click.pass_obj
def command(session: Session, *, day: Path, kind: str, into: Path | None, report_dir: Path, yes: bool) -> int:
    """Print what starts the game day in the file DAY at the beginning of each of its windows.

    No value of a secret is in it: the variables that the day needs are named.
    """
    from chaosrun.gameday.loader import outline  # noqa: PLC0415 - only when called
    from chaosrun.gameday.scheduling import job_of  # noqa: PLC0415 - as above

    path = one_experiment(day)
    outlined = outline(path, revealed=session.secrets)
    job = job_of(path, outlined, report_dir=report_dir, yes=yes)
    _check(session, path, outlined, yes)
    files = _files(kind, job, path)
    if into is None:
        for number, (name, text) in enumerate(files.items()):
            session.write(("\n" if number else "") + (f"# {name}\n" if len(files) > 1 else "") + text)
        return Exit.PASSED
    for name, text in files.items():
        _write(into / name, text)
        session.write_line(str(into / name))
    session.tell(_what_next(kind, job, into))
    return Exit.PASSED


def _files(kind: str, job: Job, path: Path) -> dict[str, str]:
    from datetime import UTC, datetime  # noqa: PLC0415 - only when called

    from chaosrun.gameday import for_cron, for_github, for_systemd  # noqa: PLC0415 - as above

    match kind:
        case "systemd":
            return for_systemd.units(job)
        case "cron":
            return for_cron.crontab(job)
        case _:
            return for_github.workflow(job, path, datetime.now(UTC))


def _check(session: Session, path: Path, outlined: Outline, yes: bool) -> None:
    """All of the day, as far as it can be checked here.

    Raises:
        UsageError: something is wrong with it, or it would ask and nobody would be there.
    """
    import os  # noqa: PLC0415 - only when called

    from chaosrun import preflight  # noqa: PLC0415 - as above
    from chaosrun.gameday.loader import load_day  # noqa: PLC0415 - as above

    if unset := [name for name, needed in outlined.variables.items() if needed and name not in os.environ]:
        session.tell(
            f"{', '.join(unset)}: not set here, so that the experiments were not checked; where they are, chaosrun "
            f"validate {shlex.quote(str(path))} does"
        )
        return
    loaded = load_day(path, revealed=session.secrets)
    reached = (each for variant in loaded.variants for each in preflight.reached(variant.loaded))
    if (hosts := preflight.hit_elsewhere(reached)) and not yes:
        raise UsageError(
            f"{path}: the day reaches {', '.join(hosts)}, not only this machine, and nobody will be there to be asked; "
            "say --yes if it may"
        )


def _write(file: Path, text: str) -> None:
    """Raises:
    UsageError: it is there already, and is another one.
    Unwritable: it cannot be written.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        if file.exists() and file.read_text(encoding="utf-8") != text:
            raise UsageError(
                f"{file} exists and is left as it is; take it away first, or name another folder by --into"
            )
        file.write_text(text, encoding="utf-8")
    except (OSError, UnicodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "what is there is no text"
        raise Unwritable(f"{file}: cannot be written ({why}); name another folder by --into") from error


def _what_next(kind: str, job: Job, into: Path) -> str:
    if kind == "systemd":
        return (
            f"put them into {_PLACES[kind]}, then: systemctl daemon-reload && systemctl enable --now {job.name}.timer"
        )
    name = shlex.quote(str(into / f"{job.name}.{'crontab' if kind == 'cron' else 'yml'}"))
    return f"put the lines of {name} into {_PLACES[kind]}" if kind == "cron" else f"put {name} into {_PLACES[kind]}"
