"""What a file is, told by its content."""

from __future__ import annotations

from pathlib import Path

import pytest

from chaosrun.spec.kinds import kind_of

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("title: x\nsteady_state: {}\ntarget: {}\n", "experiment"),
        ("title: x\nstedy_state: {}\ntarget: {}\n", "experiment"),
        ("method: []\n", "experiment"),
        ("load: {users: {}}\n", "steady_state"),
        ("title: a week\nexperiments: [a.yaml]\nwindow: {}\n", "game_day"),
        ("url: ws://127.0.0.1:1/\n", "other"),
        ("services: {}\n", "other"),
        ("- a\n- b\n", "other"),
        ("just text\n", "other"),
    ],
)
def test_a_file_is_told_by_its_keys(tmp_path: Path, text: str, kind: str) -> None:
    (tmp_path / "a.yaml").write_text(text)
    assert kind_of(tmp_path / "a.yaml") == kind


@pytest.mark.parametrize("data", [b"title: [", b"\xff\xfe\x00", b"title: x\n  bad: y\n"])
def test_what_cannot_be_read_may_be_an_experiment(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.yaml").write_bytes(data)
    assert kind_of(tmp_path / "a.yaml") == "experiment"


def test_every_file_of_the_repository_is_what_its_folder_says() -> None:
    assert {kind_of(file) for file in (ROOT / "experiments").glob("*.yaml")} == {"experiment"}
    assert {kind_of(file) for file in (ROOT / "steady_state").glob("*.yaml")} == {"steady_state"}
    others = [*(ROOT / "experiments/targets").iterdir(), *(ROOT / "experiments/protocols").iterdir()]
    assert {kind_of(file) for file in others if file.suffix == ".yaml"} == {"other"}
