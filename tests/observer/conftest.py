"""Makes the oracles' truth server and saboteurs, and `e2e_running`, importable here; whole runs run by themselves."""

import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "oracle"), str(HERE.parent / "e2e")]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.slow)
            item.add_marker(pytest.mark.timeout(400))
            item.add_marker(pytest.mark.xdist_group("whole runs"))
