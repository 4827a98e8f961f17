"""Makes the modules of the oracles importable here, and keeps whole runs from overlapping: each measures time."""

import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Where several processes share the tests (`--dist loadgroup`), one of them has all whole runs."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.xdist_group("whole runs"))
