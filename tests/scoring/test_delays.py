"""A delay that was asked for, and what became of it, by the echoes of the prober."""

from __future__ import annotations

from dataclasses import replace

from storybook import MS, S, Story, group, s, strike

from chaosrun.plan import FaultPlan
from chaosrun.records import NONE, History, Probe, Proxied
from chaosrun.scoring.delays import Delay, delay_of, proxy_report
from chaosrun.scoring.phases import injections

ASKED = FaultPlan(id="fault", name="slow", kind="toxiproxy", sustained=True, delay_ns=100 * MS)


def history(*probes: Probe, verified: bool = True) -> History:
    """A fault from 10 s to 14 s, confirmed half a second after its call."""
    fault = strike(at=s(10), removed=s(14), confirmed=s(10.5), verified=verified)
    told = Story(group(), faults=[fault]).history()
    return replace(told, plan=_with(told), probes=probes)


def _with(told: History) -> object:
    from msgspec.structs import replace as replaced

    return replaced(told.plan, faults=(ASKED,))


def delay(told: History) -> Delay | None:
    (call,) = injections(told)
    return delay_of(told, ASKED, call)


def echo(sent: float, took_ms: float, *, connect: bool = False) -> Probe:
    at = s(sent)
    return Probe(at, at + round(took_ms * MS), at + round(took_ms * MS), connect)


def failed(sent: float) -> Probe:
    return Probe(s(sent), NONE, s(sent) + S, False)


BASELINE = [echo(4, 1), echo(5, 2), echo(6, 9)]


def test_it_is_the_median_during_the_fault_less_that_of_the_baseline() -> None:
    assert delay(history(*BASELINE, echo(11, 101), echo(12, 103), echo(13, 180))) == Delay(100 * MS, 101 * MS)


def test_echoes_before_the_confirmation_and_those_on_their_way_at_the_removal_do_not_count() -> None:
    early, late = echo(10.2, 1), echo(13.95, 50)
    assert delay(history(*BASELINE, early, echo(11, 102), late)) == Delay(100 * MS, 100 * MS)


def test_fresh_connections_are_no_echoes() -> None:
    assert delay(history(*BASELINE, echo(11, 102), echo(12, 900, connect=True))) == Delay(100 * MS, 100 * MS)


def test_echoes_that_never_came_rank_last() -> None:
    assert delay(history(*BASELINE, echo(11, 102), echo(12, 104), failed(13))) == Delay(100 * MS, 102 * MS)
    assert delay(history(*BASELINE, echo(11, 102), failed(12), failed(13))) == Delay(100 * MS, None)


def test_without_echoes_nothing_is_known() -> None:
    assert delay(history()) == Delay(100 * MS, None)
    assert delay(history(*BASELINE)) == Delay(100 * MS, None)
    assert delay(history(echo(11, 102))) == Delay(100 * MS, None)


def test_an_effect_that_nobody_confirmed_is_looked_for_from_the_call_on() -> None:
    told = history(*BASELINE, echo(10.1, 7), verified=False)
    assert delay(told) == Delay(100 * MS, 5 * MS)


def test_a_fault_that_is_no_delay_has_none() -> None:
    told = history(*BASELINE)
    (call,) = injections(told)
    assert delay_of(told, FaultPlan(id="fault", name="down", kind="toxiproxy"), call) is None


def test_the_report_names_the_proxy_and_the_longest_delay() -> None:
    told = history(*BASELINE, echo(11, 102))
    assert proxy_report(told) is None, "the load went straight"
    proxied = replace(told, proxied=Proxied(t=0, kind="embedded", version="2.12.0", api="http://127.0.0.1:1"))
    assert proxy_report(proxied) == {
        "kind": "embedded",
        "version": "2.12.0",
        "requested_ms": 100.0,
        "realised_ms": 100.0,
    }
    quiet = replace(proxied, called=())
    assert proxy_report(quiet) == {"kind": "embedded", "version": "2.12.0", "requested_ms": None, "realised_ms": None}
