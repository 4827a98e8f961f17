"""What GitHub Actions makes annotations of: workflow commands, a line each, on standard output.

Source: GitHub, "Workflow commands for GitHub Actions" (`::error file=...,line=...,col=...,title=...::message`), and the
escapes of its `actions/toolkit` (`command.ts`). GitHub shows ten annotations of each level and step: what weighs most
comes first.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, Literal

from chaosrun.errors import ChaosrunError, SpecError
from chaosrun.foreign import brief, clean
from chaosrun.reports._story import headline, reasons_apart
from chaosrun.reports._suite_words import reasons_of_all, suite_headline, why
from chaosrun.scoring.result import Criterion, Result
from chaosrun.scoring.suite import Suite

Level = Literal["error", "warning", "notice"]
LONGEST: Final = 1000
"""Characters of one message."""
_WEIGHT: Final = ("::error ", "::warning ", "::notice ")

_PLACE: Final = re.compile(r"(?P<file>.+?):(?P<line>\d+)(?::(?P<col>\d+))?")
_IN_DATA: Final = {"%": "%25", "\r": "%0D", "\n": "%0A"}
_IN_PROPERTY: Final = {**_IN_DATA, ":": "%3A", ",": "%2C"}


def commands(result: Result, workspace: Path | None = None) -> list[str]:
    """Annotations of a result: what is amiss with the run itself, then its criteria, and the verdict.

    Args:
        workspace: where the repository was checked out; files below it are named from there, as GitHub wants them.
    """
    level: Level = "warning" if result.verdict in ("passed", "inconclusive") else "error"
    lines = [command(level, reason, title=f"chaosrun: {result.verdict}") for reason in reasons_apart(result)]
    judged = sorted(result.criteria, key=lambda each: each.outcome is None)
    lines += [_criterion(criterion, workspace) for criterion in judged if criterion.outcome is not True]
    return [*lines, command("notice", f"{result.title}: {headline(result)}", title=f"chaosrun: {result.verdict}")]


def suite_commands(suite: Suite, results: Mapping[int, Result], workspace: Path | None = None) -> list[str]:
    """Annotations of several experiments: what is amiss with all of them, then with each, and the verdict.

    Args:
        results: of those that have one, by their numbers from 1.
    """
    lines = [command("error", reason, title=f"chaosrun: {suite.verdict}") for reason in reasons_of_all(suite)]
    for number, run in enumerate(suite.runs, 1):
        if (result := results.get(number)) is not None:
            # The last line is the verdict, which is said once over all.
            lines += commands(result, workspace)[:-1]
        elif run.state == "broken":
            lines.append(command("error", why(run), title=f"{run.title}: no result"))
        elif run.state == "skipped":
            lines.append(command("notice", run.why, title=f"{run.title}: skipped"))
    lines.sort(key=lambda line: next(level for level, sign in enumerate(_WEIGHT) if line.startswith(sign)))
    return [*lines, command("notice", f"{suite.title}: {suite_headline(suite)}", title=f"chaosrun: {suite.verdict}")]


def complaints(error: ChaosrunError, workspace: Path | None = None) -> list[str]:
    """What kept a run from having a result; of files, each problem at its place."""
    if not isinstance(error, SpecError):
        return [command("error", str(error), title="chaosrun")]
    return list(_problems(error, workspace))


def command(level: Level, message: str, *, title: str, **place: str) -> str:
    """One workflow command."""
    named = {**place, "title": title}
    told = ",".join(f"{name}={_escaped(brief(value), _IN_PROPERTY)}" for name, value in named.items() if value)
    lines = "\n".join(map(clean, message[:LONGEST].splitlines()))
    return f"::{level} {told}::{_escaped(lines, _IN_DATA)}"


def held_back(text: str, token: str) -> str:
    """`text` in which the runner looks for no commands, whatever the names in it are.

    Args:
        token: that nobody can guess.
    """
    return f"::stop-commands::{token}\n{text.rstrip()}\n::{token}::\n"


def _criterion(criterion: Criterion, workspace: Path | None) -> str:
    level: Level = "error" if criterion.outcome is False else "warning"
    word = "broken" if criterion.outcome is False else "unknown"
    title = f"{criterion.name} in {criterion.window}: {word}"
    return command(level, criterion.why or word, title=title, **_place(criterion.where, workspace))


def _problems(error: SpecError, workspace: Path | None) -> Iterator[str]:
    for problem in error.problems:
        place, _, told = problem.partition(": ")
        found = _place(place, workspace)
        yield command("error", told if found else problem, title="chaosrun", **found)


def _place(where: str, workspace: Path | None) -> dict[str, str]:
    """`file:line` or `file:line:column` as properties; empty where it is none."""
    found = _PLACE.fullmatch(where)
    if found is None:
        return {}
    file = Path(found["file"])
    if workspace is not None and file.absolute().is_relative_to(workspace):
        file = file.absolute().relative_to(workspace)
    return {"file": str(file), "line": found["line"], "col": found["col"] or ""}


def _escaped(text: str, signs: Mapping[str, str]) -> str:
    return "".join(signs.get(char, char) for char in text)
