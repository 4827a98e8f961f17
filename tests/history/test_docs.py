"""The page about the history says what is so: its tests exist, and its figures are those of the code."""

from __future__ import annotations

import re
from pathlib import Path

import click

from chaosrun.commands.history import command
from chaosrun.history.trends import Accepted, History, Line, Ran, Trend
from chaosrun.scoring import against
from chaosrun.scoring.look import ALPHA, MOST, NEWEST, fewest
from chaosrun.scoring.ranks import smallest_p
from chaosrun.standards import MOST as STANDARDS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "history.md").read_text()


def test_every_test_that_the_page_names_is_there() -> None:
    named = re.findall(r"`(tests/[^`]+\.py)::([^`]+)`", PAGE)
    assert len(named) > 8
    assert [test for path, test in named if f"def {test}(" not in (ROOT / path).read_text()] == []


def test_the_figures_of_a_look_are_those_of_the_code() -> None:
    assert f"the newest {NEWEST} are held against the last {MOST} good ones before them; at least {fewest()} it" in PAGE
    assert f"p <= {float(ALPHA)}" in PAGE
    assert f"{smallest_p(8, 3)} with 8, {smallest_p(9, 3)} with 9" in PAGE
    assert f"(2 groups: {fewest(2)} good runs)" in PAGE


def test_the_runs_that_it_takes_for_a_criterion_are_those_of_the_code() -> None:
    def row(name: str) -> list[str]:
        (line,) = (line for line in PAGE.splitlines() if line.startswith(f"| {name} |"))
        return [cell.strip() for cell in line.strip("|").split("|")][1:]

    new, needed = row("new runs"), row("earlier runs it takes")
    assert [str(against.fewest(int(each))) for each in new] == needed
    assert f"the last {STANDARDS} good ones" in PAGE
    assert f"the last {against.MOST} |" in PAGE


def test_every_option_is_told() -> None:
    options = {name for param in command.params if isinstance(param, click.Option) for name in param.opts}
    assert [name for name in options if f"| `{name}" not in PAGE] == []


def test_every_key_of_the_json_is_told() -> None:
    json = PAGE.partition("## The JSON")[2]
    keys = {name for part in (History, Line, Trend, Ran, Accepted) for name in part.__struct_fields__}
    assert [name for name in keys if not re.search(rf"\b{name}\b", json)] == []
