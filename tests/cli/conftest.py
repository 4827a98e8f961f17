"""The command line as a process of its own, the way a user calls it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

Call = Callable[..., subprocess.CompletedProcess[str]]
REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def repository() -> Path:
    return REPOSITORY


@pytest.fixture
def chaosrun(tmp_path: Path) -> Call:
    """Runs `chaosrun ARGS...`, by default in an empty folder."""

    def call(*args: str | Path, cwd: Path = tmp_path, env: Mapping[str, str] | None = None) -> object:
        return subprocess.run(
            [sys.executable, "-m", "chaosrun", *map(str, args)],
            check=False,
            capture_output=True,
            text=True,
            cwd=cwd,
            env={**os.environ, **(env or {})},
            timeout=100,
        )

    return call  # type: ignore[return-value]
