"""A game day as two units of systemd: a service that runs it, and a timer that starts the service."""

from __future__ import annotations

from typing import Final

from chaosrun.gameday.scheduling import Job, one_line
from chaosrun.spec.gameday import clock_text

_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_ENVIRONMENT: Final = "/etc/chaosrun"


def units(job: Job) -> dict[str, str]:
    """The two files, by their names."""
    return {f"{job.name}.service": _service(job), f"{job.name}.timer": _timer(job)}


def expressions(job: Job) -> list[str]:
    """The times at which the timer elapses, one for each time of day."""
    by_time: dict[int, list[int]] = {}
    for weekday, minutes, _ in job.starts:
        by_time.setdefault(minutes, []).append(weekday)
    return [
        f"{'' if len(days) == 7 else ','.join(_DAYS[day] for day in sorted(days)) + ' '}*-*-* {clock_text(minutes)}:00 "
        f"{job.zone}"
        for minutes, days in sorted(by_time.items())
    ]


def _service(job: Job) -> str:
    lines = [
        "[Unit]",
        f"Description={_specifiers(one_line(f'Game day: {job.title}'))}",
        "",
        "[Service]",
        "Type=oneshot",
        f"User={job.user}",
        f"WorkingDirectory={_specifiers(_ended(job.directory))}",
    ]
    if job.variables:
        lines += [
            f"# It reads {job.needed}: NAME=VALUE, a line each, in a file that nobody else may read.",
            # With a dash it may be missing.
            f"EnvironmentFile={'' if any(job.variables.values()) else '-'}{_ENVIRONMENT}/{job.name}.env",
        ]
    lines += [f"Environment={_quoted(f'{name}={value}')}" for name, value in job.settings.items()]
    lines += [
        f"ExecStart={' '.join((_quoted(job.command[0]), *map(_argument, job.command[1:])))}",
        "# Outside its window, or while another run holds the target, it is refused: no failure of the unit.",
        "SuccessExitStatus=75",
        "# A stop undoes what was done. Only chaosrun itself is told; its guardian must outlive it and goes by itself.",
        "KillMode=process",
        "TimeoutStartSec=infinity",
        "TimeoutStopSec=10min",
        "",
    ]
    return "\n".join(lines)


def _timer(job: Job) -> str:
    lines = [
        "[Unit]",
        f"Description={_specifiers(one_line(f'Game day: {job.title}'))}",
        "",
        "[Timer]",
        f"# The beginnings of its windows: {job.windows}",
        *(f"OnCalendar={each}" for each in expressions(job)),
        "# One that was missed is not made up for when the machine is started again.",
        "Persistent=false",
        "AccuracySec=1s",
        "",
        "[Install]",
        "WantedBy=timers.target",
        "",
    ]
    return "\n".join(lines)


def _ended(folder: str) -> str:
    """A folder that ends its line, where a backslash would join the next one to it and a space would be dropped."""
    return f"{folder}/" if folder.endswith(("\\", " ")) else folder


def _argument(text: str) -> str:
    """A word of a command line that is not its program: systemd.service(5), "Command lines"; nothing in it is expanded.

    A dollar is doubled in these alone: in the program, and in what is assigned to a variable, it is nothing special.
    """
    return _quoted(text.replace("$", "$$"))


def _quoted(text: str) -> str:
    """One word: systemd.syntax(7), "Quoting"."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    quoted = f'"{escaped}"' if not text or set(text) & set(" ;'\"\\") else escaped
    return _specifiers(quoted)


def _specifiers(text: str) -> str:
    return text.replace("%", "%%")
