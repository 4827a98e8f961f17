"""What all tests share: how Hypothesis looks for counter-examples, and which tests are whole runs."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

HERE = Path(__file__).parent
WHOLE_RUNS = [HERE / name for name in ("e2e", "observer", "oracle")]
PROOFS = [
    HERE / name
    for name in (
        "e2e/test_series.py",
        "e2e/test_compare.py",
        "scoring/test_simulator.py",
        "scoring/test_push_properties.py",
    )
]
"""Their slow tests take long or want a machine that has nothing else to do, as all of `observer` and most of `oracle`
do: `make proof`."""

MACHINES = HERE / "live/vm"
ENGINES = [HERE / name for name in ("containers", "campaign", "targets/test_systemd.py")]
"""Emulated machines keep a core busy for as long as all others together, and two engines would share a bridge."""

# The same examples every time: whether a commit is good is not for a seed to decide. On a busy machine one may take
# long, which is no property of the code. To look further: pytest --hypothesis-profile=explore
settings.register_profile(
    "steady", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
settings.register_profile("explore", settings.get_profile("steady"), derandomize=False, max_examples=2000)
settings.load_profile("steady")


_TESTS = count()


def pytest_configure() -> None:
    """Where tests are begun in the background of a script, the shell has SIGINT ignored, and so would all that they
    start: nobody could interrupt it as one does at a terminal (POSIX, Shell Command Language, 2.11). The same holds for
    SIGHUP and nohup, but that the tests go on with it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, lambda _number, _frame: None)


@pytest.fixture(autouse=True)
def own_index_of_open_runs(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test meets the runs of another, or of whoever runs the tests; made by the first run that needs it."""
    monkeypatch.setenv("CHAOSRUN_STATE_DIR", str(tmp_path_factory.getbasetemp() / f"state-{next(_TESTS)}"))


@pytest.fixture(autouse=True)
def own_signals() -> Iterator[None]:
    """A run that was stopped heeds no further signal, and here it is this process that runs it."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.getsignal(number) for number in numbers]
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


@pytest.hookimpl(tryfirst=True)  # before xdist looks which group a test belongs to
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whole runs measure time: they are run by themselves, and xdist never runs two at once.

    Of the others `--dist loadgroup` runs at once what is in different files, which may make what their tests share; the
    machines begin first, as they take longest.
    """
    items.sort(key=lambda item: MACHINES not in item.path.parents)
    for item in items:
        around = (item.path, *item.path.parents)
        if HERE / "observer" in around or (item.get_closest_marker("slow") and any(it in around for it in PROOFS)):
            item.add_marker(pytest.mark.proof)
        if any(folder in item.path.parents for folder in WHOLE_RUNS):
            item.add_marker(pytest.mark.whole_run)
            item.add_marker(pytest.mark.xdist_group("whole runs"))
        elif MACHINES in around:
            item.add_marker(pytest.mark.xdist_group("machines"))
        elif any(place in around for place in ENGINES):
            item.add_marker(pytest.mark.xdist_group("engines"))
        else:
            item.add_marker(pytest.mark.xdist_group(item.path.relative_to(HERE).as_posix()))
