from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest
from findings_of import crashed, of, probes
from storybook import group, s

from chaosrun.records import Closed, History, Refused


def with_refusals(*lines: Refused) -> History:
    history = crashed().history()
    return replace(history, refused=sorted([*lines, *history.refused], key=lambda line: line.t))


def test_clients_that_were_turned_away_are_told_with_why_and_how_often() -> None:
    turned = [Refused(t=s(1) + c, g=0, c=c, why="conversation", detail="auth refused") for c in (1, 1, 2)]
    told = of(with_refusals(*turned), "turned-away")
    assert told is not None
    assert told.title == "Clients of accounts were turned away (conversation)"
    assert told.evidence == "3 attempts of 2 clients: auth refused (3 times)"
    assert "1 attempt of 1 client: http(403) (1 time)" in str(
        of(with_refusals(Refused(t=s(2), g=0, c=3, why="http", status=403)), "turned-away")
    )


@pytest.mark.parametrize("why", ["conversation", "http", "timeout", "tls"])
def test_what_is_refused_in_an_outage_is_the_faults_and_not_the_services(why: str) -> None:
    assert of(with_refusals(Refused(t=s(14.5), g=0, c=3, why=why)), "turned-away") is None


def test_what_is_still_refused_once_the_prober_is_let_in_is_told() -> None:
    late = [Refused(t=s(16), g=0, c=3, why="conversation", detail="unknown session")]
    assert of(with_refusals(*late), "turned-away")


def test_load_that_is_shed_is_told_unless_a_fault_is_in_force() -> None:
    told = of(with_refusals(*(Refused(t=s(20) + c, g=0, c=c, why="http", status=503) for c in range(3))), "load-shed")
    assert told is not None
    assert told.evidence == (
        "3 attempts refused, of 3 of 8 (37.5%) clients: http(503) (3 times); no fault was in force"
    )
    assert of(with_refusals(Refused(t=s(14), g=0, c=1, why="http", status=503)), "load-shed") is None
    assert of(with_refusals(Refused(t=s(20), g=0, c=1, why="http", status=403)), "load-shed") is None


def test_what_a_proxy_refuses_is_not_held_against_the_service() -> None:
    refused = with_refusals(*(Refused(t=s(20) + c, g=0, c=c, why="proxy", status=503) for c in range(3)))
    assert of(refused, "load-shed") is None
    told = of(refused, "turned-away")
    assert told is not None
    assert told.title == "Clients of accounts were turned away (proxy)"
    assert "not at the service" in told.action


def test_clients_that_take_any_certificate_are_told_by_the_name_of_their_group() -> None:
    assert of(crashed().history(), "any-certificate") is None
    lax = msgspec.structs.replace(group(clients=8), takes_any_certificate=True)
    told = of(crashed(plan=lax).history(), "any-certificate")
    assert told is not None
    assert told.severity == "warning"
    assert told.title == "The clients of accounts took any certificate"


def test_open_connections_that_are_closed_with_1013_are_load_that_is_shed() -> None:
    story = crashed(plan=group(clients=8)).crash(s(20), s(20.01), [1])
    story.closes[0, 1, 1] = Closed(t=s(20), g=0, c=1, conn=1, cause="close", code=1013)
    told = of(story.history(), "load-shed")
    assert told is not None
    assert "1 open connection closed with 1013" in told.evidence


def stuck(clients: int, late: int, ready: int = s(15)) -> History:
    """The prober is let in at `ready`; the last `late` clients are refused up to 17 s all the same."""
    story = crashed(s(15), plan=group(clients=clients, tolerate_requests=0.03))
    story.crash(s(14), s(17), range(clients - late, clients))
    story.probes = probes((s(13), ready))
    return story.history()


def test_handshakes_that_hold_up_a_few_clients_of_many_are_a_bottleneck() -> None:
    history = stuck(40, 10)
    told = of(history, "slow-handshakes")
    assert told is not None
    assert "2 s after the fault, up to 10 of them within 100 ms" in told.evidence
    assert "failed (refused " in told.evidence
    assert "in the ramp the median was 1 ms" in told.evidence
    assert of(history, "thundering-herd") is None


def test_many_attempts_at_once_that_fail_are_a_herd() -> None:
    history = stuck(60, 40)
    assert of(history, "thundering-herd")
    assert of(history, "slow-handshakes") is None


def test_a_service_that_is_down_is_no_bottleneck_of_handshakes() -> None:
    assert of(stuck(40, 10, ready=s(17)), "slow-handshakes") is None
    assert of(stuck(60, 40, ready=s(17)), "thundering-herd") is None
    assert of(stuck(40, 1), "slow-handshakes") is None, "one client's trouble is its own"
