"""A game day as a workflow of GitHub Actions, whose `schedule` knows no time zone but UTC."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from chaosrun.errors import UsageError
from chaosrun.gameday.calendar import instant
from chaosrun.gameday.scheduling import Job, one_line
from chaosrun.spec.gameday import clock_text

_YEAR: Final = 366
_SPARE_MINUTES: Final = 15
"""To set up, and to undo."""
_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def workflow(job: Job, path: Path, now: datetime) -> dict[str, str]:
    """The file, by its name.

    Args:
        path: the day's file, which lies in a repository.
        now: the year from then on is looked at for changes of the clock.

    Raises:
        UsageError: the file can be named in no workflow.
    """
    root = repository_of(path)
    inside = path.resolve().relative_to(root)
    if "${{" in str(inside) or not str(inside).isprintable():
        raise UsageError(f"{inside}: no workflow can name such a file; rename it")
    lines = [
        f"name: {_scalar(f'Game day: {job.title}')}",
        "on:",
        "  schedule:",
        *(f"    {line}" for line in _schedule(job, now)),
        "  workflow_dispatch:",
        "permissions: {contents: read}",
        "# One day at a time: a second one waits.",
        f"concurrency: {{group: {job.name}, cancel-in-progress: false}}",
        "jobs:",
        "  game-day:",
        "    runs-on: ubuntu-latest",
        f"    timeout-minutes: {round(job.longest.total_seconds() / 60) + _SPARE_MINUTES}",
        "    steps:",
        "      - uses: actions/checkout@v4",
        "      - uses: actions/setup-python@v5",
        '        with: {python-version: "3.11"}',
        f"      - run: {_install(root, job.extras)}",
        *(f"      {line}" for line in _run(job, inside)),
        "      - if: always()",
        "        uses: actions/upload-artifact@v4",
        "        with: {name: reports, path: reports, if-no-files-found: ignore}",
    ]
    return {f"{job.name}.yml": "\n".join(lines) + "\n"}


def repository_of(path: Path) -> Path:
    """The root of the repository that a file lies in; where there is none, the folder that chaosrun runs in, if it is
    below that, else its own folder."""
    whole = path.resolve()
    for folder in whole.parents:
        if (folder / ".git").exists():
            return folder
    here = Path.cwd().resolve()
    return here if whole.is_relative_to(here) else whole.parent


def _install(root: Path, extras: Sequence[str]) -> str:
    try:
        own = 'name = "chaosrun"' in (root / "pyproject.toml").read_text(encoding="utf-8")
    except (OSError, UnicodeError):
        own = False
    what = "." if own else "chaosrun"
    return shlex.join(["pip", "install", f"{what}[{','.join(extras)}]" if extras else what])


def _run(job: Job, inside: Path) -> Iterator[str]:
    yield "- name: Run the game day"
    if job.variables:
        yield "  env:"
        for name in job.variables:
            yield f"    {name}: ${{{{ secrets.{name} }}}}"
    words = ["chaosrun", "gameday", str(inside), "--no-live", *(["--yes"] if "--yes" in job.command else [])]
    yield "  run: |"
    if job.variables:
        yield "    # Of a secret that is not there GitHub makes a variable without text: it is none."
        yield from (f'    [ -n "${name}" ] || unset {name}' for name in job.variables)
    yield "    code=0"
    yield f"    {shlex.join(words)} || code=$?"
    yield "    # Outside its window it is refused: no failure of the workflow."
    yield '    if [ "$code" -eq 75 ]; then exit 0; fi'
    yield '    exit "$code"'


# ---- times ----------------------------------------------------------------------------------------------------------


def _schedule(job: Job, now: datetime) -> Iterator[str]:
    for weekday, minutes, length in job.starts:
        times = _in_utc(job, weekday, minutes, now)
        local = f"{_DAYS[weekday]} {clock_text(minutes)} {job.zone}"
        ahead = max(times.values()) - min(times.values())
        if len(times) > 1 and ahead < length:
            # The later one is inside all year; the earlier one would be a second day in one half of it.
            chosen = [max(times, key=lambda each: times[each])]
            yield f"# {local} is {_told(times)}, as clocks change there; the later one is inside the window all year."
        else:
            chosen = list(times)
            if len(times) > 1:
                yield f"# {local} is {_told(times)}, as clocks change there; the one outside the window is refused."
            else:
                yield f"# {local}"
        for cron in chosen:
            yield f'- cron: "{cron}"'


def _in_utc(job: Job, weekday: int, minutes: int, now: datetime) -> dict[str, timedelta]:
    """The times of a year in UTC, as cron has them, each with how far UTC is behind the zone then, negated."""
    found: dict[str, timedelta] = {}
    today = now.astimezone(job.zone).date()
    for offset in range(_YEAR):
        on = today + timedelta(days=offset)
        if on.weekday() != weekday:
            continue
        moment = instant(on, minutes, job.zone)
        local = moment.astimezone(job.zone)
        if local.date() != on or local.hour * 60 + local.minute != minutes:
            continue  # the clock leaps over it in this night
        there = moment.astimezone(UTC)
        behind = local.utcoffset() or timedelta()
        found[f"{there.minute} {there.hour} * * {there.isoweekday() % 7}"] = -behind
    return found


def _told(times: dict[str, timedelta]) -> str:
    return " or ".join(f"{int(hour):02}:{int(minute):02} UTC" for minute, hour, *_ in map(str.split, times))


def _scalar(text: str) -> str:
    """A text as YAML has it, in which GitHub finds no expression."""
    return json.dumps(one_line(text).replace("${{", "$ {{"), ensure_ascii=False)
