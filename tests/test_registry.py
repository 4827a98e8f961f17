"""Names and what they stand for; where they clash, and what is said of one that is unknown."""

import sys
from importlib.metadata import EntryPoint
from types import SimpleNamespace

import pytest

from chaosrun import registry
from chaosrun.errors import UsageError
from chaosrun.metrics import ttr
from chaosrun.metrics._base import Metric


@pytest.fixture(autouse=True)
def _fresh_registry():
    registry._kinds.cache_clear()
    yield
    registry._kinds.cache_clear()


def plug_in(monkeypatch: pytest.MonkeyPatch, family: str, name: str, what: object) -> None:
    """Install `what` as another distribution would, by an entry point."""
    monkeypatch.setitem(sys.modules, "someones_package", SimpleNamespace(thing=what))
    point = EntryPoint(name, "someones_package:thing", f"chaosrun.{family}")
    monkeypatch.setattr(registry, "entry_points", lambda *, group: [point] if group == point.group else [])


def test_a_fault_is_the_module_of_its_name() -> None:
    assert "noop" in registry.kinds("faults")
    assert registry.load("faults", "noop").__name__ == "chaosrun.faults.noop"


def test_modules_with_an_underscore_are_no_kinds() -> None:
    assert not [name for family in registry.FAMILIES for name in registry.kinds(family) if name.startswith("_")]


def test_a_metric_is_found_by_its_own_name_wherever_it_lives() -> None:
    assert registry.load("metrics", "ttr") is ttr.METRICS[0]
    assert registry.load("metrics", "response_p999").name == "response_p999"
    assert registry.load("metrics", "push.lost").unit == "count"


def test_an_unknown_name_is_told_what_is_known_and_what_was_meant() -> None:
    with pytest.raises(UsageError, match=r"no fault 'nop'; known: .*noop.*; did you mean 'noop'\?"):
        registry.load("faults", "nop")


def test_a_name_like_no_other_gets_no_hint() -> None:
    with pytest.raises(UsageError) as refused:
        registry.load("faults", "xyzzy")
    assert "did you mean" not in str(refused.value)


def test_others_add_a_kind_by_an_entry_point(monkeypatch: pytest.MonkeyPatch) -> None:
    module = SimpleNamespace(make=None)
    plug_in(monkeypatch, "faults", "solar_flare", module)
    assert "solar_flare" in registry.kinds("faults")
    assert registry.load("faults", "solar_flare") is module


def test_others_add_a_metric_by_an_entry_point(monkeypatch: pytest.MonkeyPatch) -> None:
    metric = Metric(name="happiness", unit="ratio", up=True, meaning="", needs=frozenset(), measure=lambda window: None)
    plug_in(monkeypatch, "metrics", "happiness", SimpleNamespace(METRICS=(metric,)))
    assert registry.load("metrics", "happiness") is metric


def test_two_kinds_of_one_name_are_an_error_that_names_both(monkeypatch: pytest.MonkeyPatch) -> None:
    plug_in(monkeypatch, "faults", "noop", SimpleNamespace())
    with pytest.raises(UsageError, match=r"two faults are called 'noop': chaosrun\.faults\.noop and someones_package"):
        registry.kinds("faults")
