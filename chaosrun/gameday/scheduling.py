"""What a timer must know of a game day, whichever it is: the command, where it runs, when, and what it needs."""

from __future__ import annotations

import os
import pwd
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from chaosrun.errors import UsageError
from chaosrun.gameday.calendar import Beginning, Calendar, beginnings, windows_told
from chaosrun.gameday.loader import Outline
from chaosrun.runfolder import slug
from chaosrun.safety.open_runs import VARIABLE, state_directory

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
"""Of a variable that systemd, cron and GitHub can set."""


@dataclass(frozen=True)
class Job:
    """A day as a timer starts it."""

    title: str
    command: tuple[str, ...]
    """Absolute, and without a variable in it."""
    directory: str
    """Where it runs; reports go below it."""
    user: str
    starts: tuple[Beginning, ...]
    zone: ZoneInfo
    windows: str
    """In words."""
    longest: timedelta
    """How long the longest window lasts."""
    variables: Mapping[str, bool]
    """Of the environment, that it names; true: it needs it."""
    settings: Mapping[str, str]
    """Variables with their values, that are no secret."""
    extras: tuple[str, ...]
    """Of chaosrun's, that it needs where it is installed anew."""

    @property
    def name(self) -> str:
        """As a file's."""
        return f"chaosrun-{slug(self.title)}"

    @property
    def needed(self) -> str:
        """The variables, in words; empty: none."""
        return ", ".join(name if needed else f"{name} (or its default)" for name, needed in self.variables.items())


def job_of(
    path: Path, outlined: Outline, *, report_dir: Path, yes: bool, environment: Mapping[str, str] = os.environ
) -> Job:
    """What starts the day in this file, with the chaosrun that is running now.

    Raises:
        UsageError: it has no beginning, or one of its paths or variables can stand in no timer.
    """
    day = outlined.day
    starts, longest = tuple(beginnings(day.windows())), Calendar.of(day).longest()
    if not starts or longest is None:
        raise UsageError(
            f"{path}: may run at any time, so that nothing says when to begin it; give it a `window`, such as "
            '{days: [tue], from: "10:00", to: "12:00"}'
        )
    command = (*program(), "gameday", str(path.absolute()), "--report-dir", str(report_dir.absolute()), "--no-live")
    job = Job(
        title=day.title,
        command=(*command, *(["--yes"] if yes else [])),
        directory=str(Path.cwd()),
        user=_user(),
        starts=starts,
        zone=day.time_zone,
        windows=windows_told(day.windows()),
        longest=longest,
        variables=outlined.variables,
        settings=_settings(environment),
        extras=("notify",) if outlined.uses_apprise else (),
    )
    for text in (*job.command, job.directory, *job.settings.values()):
        if not text.isprintable():
            raise UsageError(f"{text!r}: has characters that no timer's file can hold; rename the folder or file")
    for name in job.variables:
        if not _NAME.fullmatch(name):
            raise UsageError(
                f"{name!r}: is a variable of the environment that no timer can set; use letters, digits and _"
            )
    return job


def _settings(environment: Mapping[str, str]) -> dict[str, str]:
    """Where the runs of a user are known to each other: a timer's day must look where those by hand look."""
    is_named = environment.get(VARIABLE) or environment.get("XDG_STATE_HOME", "").startswith("/")
    return {VARIABLE: str(state_directory(environment))} if is_named else {}


def _user() -> str:
    """Not by the variables of the environment, which `su` leaves as they were."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:  # of a container that knows its user by number alone
        return str(os.geteuid())


def program() -> tuple[str, ...]:
    """The chaosrun that is running now."""
    script = Path(sys.executable).absolute().with_name("chaosrun")
    if script.is_file():
        return (str(script),)
    # -P: the folder in which it is started is of others, whose modules may have the names of ours.
    return (str(Path(sys.executable).absolute()), "-P", "-m", "chaosrun")


def one_line(text: str) -> str:
    """A text as a comment or a description: nothing in it begins a line of its own."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())
