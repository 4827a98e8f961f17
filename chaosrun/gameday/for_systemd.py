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
    for weekday, minutes in job.starts:
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
        f"WorkingDirectory={_specifiers(job.directory)}",
    ]
    if job.variables:
        lines += [
            f"# It reads {job.needed}: NAME=VALUE, a line each, in a file that nobody else may read.",
            f"EnvironmentFile={_ENVIRONMENT}/{job.name}.env",
        ]
    lines += [f"Environment={_word(f'{name}={value}')}" for name, value in job.settings.items()]
    lines += [
        f"ExecStart={' '.join(map(_word, job.command))}",
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


def _word(text: str) -> str:
    """A word of a command line: systemd.service(5), "Command lines"; nothing in it is expanded."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("$", "$$")
    quoted = f'"{escaped}"' if not text or set(text) & set(" ;'\"\\") else escaped
    return _specifiers(quoted)


def _specifiers(text: str) -> str:
    return text.replace("%", "%%")
