"""The reference programs as processes that end with the test."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # the helper module beside this file

from mt5_programs import Launch, Program, Service


@pytest.fixture
def launch() -> Iterator[Launch]:
    """Starts a program, and ends it with the test."""
    running: list[Program] = []

    def start(module: str, *args: object, env: dict[str, str] | None = None) -> Program:
        running.append(Program(module, *args, env=env))
        return running[-1]

    yield start
    for program in running:
        program.kill()


@pytest.fixture
def service(launch: Launch, tmp_path: Path) -> Service:
    return Service(launch, tmp_path)
