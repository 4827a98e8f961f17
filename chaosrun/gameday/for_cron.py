"""A game day as a line of a crontab."""

from __future__ import annotations

import shlex

from chaosrun.gameday.scheduling import Job, one_line


def crontab(job: Job) -> dict[str, str]:
    """The lines, by the name of a file that could hold them."""
    lines = [
        f"# {one_line(f'Game day: {job.title}')} ({job.windows})",
        "# CRON_TZ is heeded by cronie, not by Debian's own cron, which goes by the machine's zone: begun outside its",
        "# window, the day refuses itself with exit code 75. Lines below these go by CRON_TZ too.",
    ]
    if job.variables:
        lines.append(f"# It reads {job.needed}: NAME=VALUE, a line each, above; crontabs are for their owner alone.")
    lines += [f"{name}={value}" for name, value in job.settings.items()]
    lines.append(f"CRON_TZ={job.zone}")
    command = f"cd {shlex.quote(job.directory)} && {shlex.join(job.command)}"
    lines += [f"{times} {_escaped(command)}" for times in _times(job)]
    return {f"{job.name}.crontab": "\n".join(lines) + "\n"}


def _times(job: Job) -> list[str]:
    by_time: dict[int, list[int]] = {}
    for weekday, minutes, _ in job.starts:
        by_time.setdefault(minutes, []).append((weekday + 1) % 7)  # Sunday is 0
    return [
        f"{minutes % 60} {minutes // 60} * * {'*' if len(days) == 7 else ','.join(map(str, sorted(days)))}"
        for minutes, days in sorted(by_time.items())
    ]


def _escaped(command: str) -> str:
    """For cron a % ends the command unless there is a backslash before it: crontab(5). One that is there already is
    parted from it by an empty word of the shell: names with either stand in single quotes."""
    return command.replace("\\%", "\\''%").replace("%", "\\%")
