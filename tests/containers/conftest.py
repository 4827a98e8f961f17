"""One engine and one image for all tests of this folder; containers end with their test."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from docker_stage import Stage, stage_of_its_own


@pytest.fixture(scope="session")
def whole_stage() -> Iterator[Stage]:
    with stage_of_its_own() as stage:
        yield stage


@pytest.fixture
def stage(whole_stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    monkeypatch.setenv("DOCKER_HOST", whole_stage.host)
    try:
        yield whole_stage
    finally:
        whole_stage.clear()
