"""The page about comparisons says what is so: its tests exist, its table is right, and it lists every number."""

from __future__ import annotations

import re
from pathlib import Path

from chaosrun.scoring.comparable import COMPARABLE
from chaosrun.scoring.ranks import smallest_p

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "compare.md").read_text()


def row(name: str) -> list[str]:
    """The cells of the line of a table that begins with `name`, without it."""
    (line,) = (line for line in PAGE.splitlines() if line.startswith(f"| {name} |"))
    return [cell.strip() for cell in line.strip("|").split("|")][1:]


def test_every_test_that_the_page_names_is_there() -> None:
    named = re.findall(r"`(tests/[^`]+\.py)::([^`]+)`", PAGE)
    assert len(named) > 15
    missing = [test for path, test in named if f"def {test}(" not in (ROOT / path).read_text()]
    assert missing == []


def test_the_table_of_the_least_p_is_right() -> None:
    for sizes, told in zip(row("runs of A and B"), row("p at best"), strict=True):
        n, m = (int(size) for size in sizes.split(","))
        assert told == f"{float(smallest_p(n, m)):.2g}"


def test_every_number_that_runs_are_compared_by_is_listed() -> None:
    named = set(re.findall(r"`([a-z_]+(?:\.[a-z_]+)?(?:_\d+)?\*?)`", PAGE.split("## The numbers")[1]))
    families = {name.rstrip("*") for name in named if name.endswith("*")}
    missing = [
        name for name in COMPARABLE if name not in named and not any(name.startswith(family) for family in families)
    ]
    assert missing == []
    assert families == {"response_", "service_", "push_", "connect_"}
