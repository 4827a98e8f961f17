"""The pages on folders of experiments and on CI say what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from chaosrun.errors import Exit
from chaosrun.scoring.suite import Day, Notice, Suite, SuiteRun

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "folders.md").read_text()
CI = (ROOT / "docs" / "ci.md").read_text()


def test_every_test_that_the_page_names_is_there() -> None:
    named = re.findall(r"`(tests/[^`]+\.py)::([^`]+)`", PAGE)
    assert len(named) > 10
    assert [f"{path}::{test}" for path, test in named if f"def {test}(" not in (ROOT / path).read_text()] == []


def test_the_page_names_every_key_of_the_record() -> None:
    [block] = re.findall(r"```\n(schema: .*?)```", PAGE, re.DOTALL)
    keys = {key for kind in (Suite, SuiteRun, Day, Notice) for key in kind.__struct_fields__}
    assert keys <= set(re.findall(r"\w+", block))


def test_the_page_on_ci_names_every_input_of_the_action_and_every_exit_code() -> None:
    action = yaml.safe_load((ROOT / "action.yml").read_text())
    assert re.findall(r"^\| `([a-z-]+)` \|", CI, re.MULTILINE) == list(action["inputs"])
    codes = CI[CI.index("| code | fail?") : CI.index("The whole list")]
    assert {int(number) for number in re.findall(r"\d+", codes.split("\n", 2)[2])} >= {*Exit}
