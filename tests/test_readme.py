"""What the README shows is true: its YAML is valid, its commands exist, its files are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from chaosrun.cli import COMMANDS
from chaosrun.spec.loader import load_experiment

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def test_the_ten_lines_of_yaml_are_a_valid_experiment(tmp_path: Path) -> None:
    [yaml] = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
    assert len(yaml.splitlines()) <= 10
    path = tmp_path / "own.yaml"
    path.write_text(yaml)
    assert load_experiment(path).experiment.title


def test_every_command_that_is_named_exists() -> None:
    named = set(re.findall(r"^chaosrun ([a-z]+)\b", README, re.MULTILINE))
    assert named - set(COMMANDS) - {"experiments", "my"} == set()
    assert {"init", "validate", "list", "doctor", "serve"} <= named


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text())
    missing = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert missing == []


def test_every_test_that_the_safety_page_names_is_there() -> None:
    named = re.findall(r"`(tests/[^`]+)`", (ROOT / "docs" / "safety.md").read_text())
    assert named
    for name in named:
        path, _, test = name.partition("::")
        assert (ROOT / path).exists(), name
        if test:
            assert f"def {test}(" in (ROOT / path).read_text(), name
