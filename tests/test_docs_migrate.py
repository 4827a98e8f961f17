"""The pages for those who come from another tool: their YAML is valid, their scripts are the files beside them."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest
import yaml

from chaosrun.spec.loader import load_experiment
from chaosrun.spec.plan import make_plan

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "migrate"
SCRIPTS = FOLDER / "scripts"
PAGES = {
    "locust": ("locustfile.py", "from-locust.yaml"),
    "artillery": ("artillery.yml", "from-artillery.yaml"),
    "k6": ("k6.js", "from-k6.yaml"),
    "chaos-toolkit": ("chaostoolkit.json", "from-chaos-toolkit.yaml"),
}
"""By tool: the script, and what replaces it."""


def page(tool: str) -> str:
    return (FOLDER / f"from-{tool}.md").read_text()


def test_no_page_and_no_script_is_forgotten() -> None:
    assert {path.stem for path in FOLDER.glob("*.md")} == {f"from-{tool}" for tool in PAGES}
    assert {path.name for path in SCRIPTS.iterdir() if path.is_file()} == {
        name for pair in PAGES.values() for name in pair
    }


@pytest.mark.parametrize("tool", PAGES)
def test_a_page_shows_its_two_files_as_they_are(tool: str) -> None:
    shown = re.findall(r"\[scripts/([^\]]+)\]\(scripts/\1\).*?\n```[a-z0-9]+\n(.*?)^```$", page(tool), re.M | re.S)
    assert shown == [(name, (SCRIPTS / name).read_text()) for name in PAGES[tool]]


@pytest.mark.parametrize("tool", PAGES)
def test_what_replaces_a_script_can_be_run_as_it_stands(tool: str) -> None:
    experiment = load_experiment(SCRIPTS / PAGES[tool][1])
    assert make_plan(experiment).groups
    assert len(experiment.experiment.method) == 1


@pytest.mark.parametrize("tool", PAGES)
def test_the_faults_that_a_page_proposes_are_some(tool: str, tmp_path: Path) -> None:
    (step,) = re.findall(r"`(\{fault: .*?\})`", page(tool))
    experiment = yaml.safe_load((SCRIPTS / PAGES["chaos-toolkit"][1]).read_text())
    path = tmp_path / "e.yaml"
    path.write_text(json.dumps(experiment | {"method": [yaml.safe_load(step)]}))
    assert load_experiment(path).experiment.method


def test_the_scripts_of_the_tools_are_read_by_their_languages() -> None:
    """That the tools accept them is on the pages, with the versions; here only that nobody broke them in passing."""
    assert ast.parse((SCRIPTS / "locustfile.py").read_text())
    assert yaml.safe_load((SCRIPTS / "artillery.yml").read_text())["scenarios"]
    experiment = json.loads((SCRIPTS / "chaostoolkit.json").read_text())
    assert [step["name"] for step in experiment["method"]] == ["freeze-the-bridge", "thaw-the-bridge"]
