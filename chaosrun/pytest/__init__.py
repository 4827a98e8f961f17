"""chaosrun in a team's own tests: a plug-in of pytest with the fixture `chaosrun` (docs/pytest.md).

    def test_users_are_back_after_a_restart(chaosrun):
        result = chaosrun.run("experiments/server-restart.yaml", profile="smoke")
        assert result.recovery.ttr_s < 5

pytest loads this module at each start, in every project where chaosrun is installed: it imports nothing that is heavy.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from chaosrun.pytest._fixture import BrokenOff, Chaosrun, NotPassed, defaults_of

__all__ = ["BrokenOff", "Chaosrun", "NotPassed"]

_MARKER: Final = (
    "chaosrun(experiment=None, *, profile=None, target=None, sets=None, inconclusive='fail', unavailable='fail'): "
    "what chaosrun.run() takes where the test does not say it; every test that uses the fixture has this marker"
)
_WAYS: Final = "fail, skip or xfail"


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("chaosrun", "chaos experiments by the fixture chaosrun")
    group.addoption(
        "--chaosrun-report-dir",
        metavar="DIR",
        help="where runs are kept, a folder each (default: the ini key, else reports in the root directory)",
    )
    group.addoption("--chaosrun-profile", metavar="NAME", help="the profile of experiments, where a test names none")
    parser.addini("chaosrun_report_dir", "where runs of chaosrun are kept, from the root directory", default="reports")
    parser.addini("chaosrun_profile", "the profile of experiments, where a test names none", default="")
    parser.addini("chaosrun_inconclusive", f"a run that proved nothing: {_WAYS}", default="fail")
    parser.addini("chaosrun_unavailable", f"a run that needs what is not here (exit 69): {_WAYS}", default="fail")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", _MARKER)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """`-m "not chaosrun"` leaves out what takes long and breaks things."""
    for item in items:
        if "chaosrun" in getattr(item, "fixturenames", ()) and item.get_closest_marker("chaosrun") is None:
            item.add_marker("chaosrun")


@pytest.fixture(name="chaosrun")
def _chaosrun(request: pytest.FixtureRequest) -> Iterator[Chaosrun]:
    """Runs chaos experiments, each in a process of its own, and tells what came of them."""
    runner = Chaosrun(request.node, defaults_of(request), _turns(request))
    try:
        yield runner
    finally:
        runner.close()


def _turns(request: pytest.FixtureRequest) -> Path | None:
    """The file whose lock the workers of pytest-xdist take turns by; None: there are none."""
    if not hasattr(request.config, "workerinput"):
        return None
    # The parent of a worker's own directory is all workers' (pytest-xdist, "making session-scoped fixtures execute
    # only once").
    factory: pytest.TempPathFactory = request.getfixturevalue("tmp_path_factory")
    return factory.getbasetemp().parent / "chaosrun.lock"
