"""The proxy that the load went through has one line in the summary, and says no more than it knows."""

from __future__ import annotations

from pathlib import Path

from hand_built import PASSED
from msgspec.structs import replace

from chaosrun.reports._terminal import render
from chaosrun.scoring.result import Result


def through(**told: str | float | None) -> Result:
    return replace(PASSED, environment=replace(PASSED.environment, proxy=told))


def line(result: Result) -> str:
    found = [text for text in render(result, Path("r"), width=200).splitlines() if text.startswith("Proxy")]
    return " ".join(" ".join(found).split())


def test_it_names_the_proxy_and_both_delays() -> None:
    asked = through(kind="binary", version="2.12.0", requested_ms=100.0, realised_ms=100.62)
    assert line(asked) == (
        "Proxy Toxiproxy 2.12.0, toxiproxy-server"
        " · 100 ms more asked of every round trip, the prober's took 101 ms more"
    )


def test_a_delay_that_nobody_could_measure_is_unknown() -> None:
    asked = through(kind="server", version="2.5.0", requested_ms=2000.0, realised_ms=None)
    assert line(asked).endswith("2 s more asked of every round trip, by how much the prober's grew is unknown")


def test_without_a_delay_only_the_proxy_is_named_and_without_a_proxy_nothing() -> None:
    assert line(through(kind="embedded", version="2.12.0", requested_ms=None, realised_ms=None)) == (
        "Proxy Toxiproxy 2.12.0, the embedded one"
    )
    assert line(PASSED) == ""
