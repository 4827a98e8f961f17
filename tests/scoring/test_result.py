"""`result.json`: its keys are the contract, its bytes depend on nothing but the result."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaosrun.scoring.result import (
    Clients,
    Detection,
    Environment,
    Latency,
    Messages,
    Observer,
    PhaseSpan,
    RecoveryReport,
    Result,
    decode,
    encode,
    milliseconds,
    rounded,
    seconds,
)


def small() -> Result:
    return Result(
        chaosrun_version="0.1.0",
        title="Größe",
        tags=["a"],
        profile=None,
        experiment_sha256="00",
        fingerprint="f",
        started_at="2026-11-21T09:00:00Z",
        duration_s=1.5,
        verdict="passed",
        exit_code=0,
        reasons=[],
        stopped_by=None,
        phases=[PhaseSpan(name="start", start_s=0.0, end_s=1.5)],
        faults=[],
        recovery=RecoveryReport(),
        tolerance={},
        detection_s=Detection(),
        clients=Clients(),
        messages=Messages(),
        latency_ms=Latency(),
        resources={},
        groups={},
        criteria=[],
        observer=Observer(sound=True, checks=[], excluded=[]),
        findings=[],
        environment=Environment(),
    )


CONTRACT = {
    "": "schema chaosrun_version title tags profile experiment_sha256 fingerprint conditions started_at duration_s "
    "verdict exit_code reasons stopped_by phases faults recovery tolerance detection_s clients messages latency_ms "
    "resources groups criteria observer findings repeats against environment",
    "recovery": "impact_s recovered_s recovered_final_s ttr_s ttr_censored_above_s adapted_at_s outage_s "
    "server_ready_s back_s affected_clients relapses absorbed lost_client_seconds error_s faults impact_by "
    "recovered_by first_recovered_s pending_s blind_s server_ready_error_s impact_error_s "
    "ttr_pending_above_s episodes",
    "recovery.back_s": "first p50 p90 p99 all never unreturned error",
    "detection_s": "service client",
    "clients": "planned peak_usable attempts refused needs needs_met unexpected_disconnects reconnects by_cause "
    "refused_by",
    "messages": "requests push malformed",
    "messages.requests": "due sent skipped_disconnected skipped_observer replied_in_time replied_late replied_error "
    "lost_connected lost_at_break in_flight_at_end late_observer canaries",
    "messages.requests.canaries": "sent good sentinels",
    "latency_ms": "response service push connect lateness push_error push_omitted",
    "latency_ms.connect": "count mean p50 p90 p95 p99 p999 max censored",
    "observer": "sound slowed checks excluded clocks",
    "environment": "host cpus memory_bytes kernel python versions proxy",
}


@pytest.mark.parametrize("place", CONTRACT)
def test_every_key_of_the_contract_is_there_even_when_it_is_null(place: str) -> None:
    found = json.loads(encode(small()))
    for key in filter(None, place.split(".")):
        found = found[key]
    assert list(found) == CONTRACT[place].split()


def test_a_result_reads_back_as_it_was() -> None:
    assert decode(encode(small())) == small()
    assert encode(decode(encode(small()))) == encode(small())


def test_it_is_indented_utf8_that_ends_with_a_newline() -> None:
    text = encode(small()).decode()
    assert text.startswith('{\n  "schema": 1,\n')
    assert text.endswith("}\n")
    assert "Größe" in text


def test_what_is_no_result_is_refused_with_the_place() -> None:
    with pytest.raises(msgspec.ValidationError, match="title"):
        decode(b'{"chaosrun_version": "1", "title": 7}')


def test_no_evidence_is_null_and_never_zero() -> None:
    assert (seconds(None), milliseconds(None), rounded(None)) == (None, None, None)
    assert (seconds(0), milliseconds(0), rounded(0)) == (0.0, 0.0, 0.0)
    recovery = json.loads(encode(small()))["recovery"]
    assert recovery["ttr_s"] is None
    assert recovery["absorbed"] is None


@given(st.integers(0, 10**15))
def test_seconds_keep_every_nanosecond_of_eleven_days(ns: int) -> None:
    value = seconds(ns)
    assert value is not None
    assert round(value * 1e9) == ns
