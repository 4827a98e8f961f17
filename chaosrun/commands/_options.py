"""Options that several commands share."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from chaosrun.commands._session import Session
from chaosrun.errors import UsageError
from chaosrun.reports._safe_text import clean

Decorated = TypeVar("Decorated", bound=Callable[..., Any])

FORMAT = click.Choice(("text", "json"))
FLEETS = click.Choice(("processes", "in-process", "ray"))
RESULT_FORMAT = click.Choice(("text", "json", "github", "junit"))


def spec_options(command: Decorated) -> Decorated:
    """--profile, --set and --target: how an experiment is varied without editing it."""
    for decorate in (
        click.option("--target", type=click.Path(path_type=Path), metavar="FILE", help="Run against this target file."),
        click.option(
            "--set",
            "sets",
            multiple=True,
            metavar="KEY=VALUE",
            help="Override one value, as in steady_state.load.accounts.clients=20; may be repeated.",
        ),
        click.option("--profile", metavar="NAME", help="Use the overrides of this profile of the experiment."),
    ):
        command = decorate(command)
    return command


def format_option(command: Decorated) -> Decorated:
    """--format: a summary for people, or what a program reads, on standard output."""
    return click.option(
        "--format",
        "form",
        type=RESULT_FORMAT,
        default="text",
        show_default=True,
        callback=_remember_form,
        help="What standard output gets: a summary, result.json or junit.xml alone, or a summary with the annotations "
        "of GitHub Actions.",
    )(command)


def _remember_form(context: click.Context, _param: click.Parameter, form: str) -> str:
    """For errors, which are told when the command has ended."""
    if isinstance(context.obj, Session):
        context.obj.form = form
    return form


def duration(option: str, text: str) -> int:
    """What an option says of a length of time, in nanoseconds.

    Raises:
        UsageError: it is none.
    """
    from chaosrun.spec.units import UnitError, duration_ns  # noqa: PLC0415 - what --help has no use for

    try:
        return duration_ns(text)
    except UnitError as error:
        raise UsageError(f"{option}: {error}") from error


def fleet_option(command: Decorated) -> Decorated:
    """--fleet: where the load is played."""
    return click.option(
        "--fleet",
        type=FLEETS,
        help="Where clients are played: in processes of their own, in chaosrun's own, to look into a protocol, or on a "
        "Ray cluster.  [default: as the experiment says, else processes]",
    )(command)


def one_experiment(path: Path) -> Path:
    """The path of one experiment's file.

    Raises:
        UsageError: it is not there, with what is there instead; or it is a folder.
    """
    name = clean(str(path))
    # The methods of a path raise where its name is longer than a name can be.
    if os.path.isdir(path):  # noqa: PTH112
        raise UsageError(
            f"{name}: is a folder, and one experiment is meant here; name one of it (chaosrun list {name})"
        )
    if not os.path.exists(path):  # noqa: PTH110
        from difflib import get_close_matches  # noqa: PLC0415 - only for errors

        beside = path.parent.glob("*.y*ml") if os.path.isdir(path.parent) else ()  # noqa: PTH112
        close = get_close_matches(str(path), [str(other) for other in beside if other != path], n=1)
        hint = f"did you mean {close[0]}?" if close else "`chaosrun list` shows the experiments of a folder"
        raise UsageError(f"{name}: there is no such file; {clean(hint)}")
    return path
