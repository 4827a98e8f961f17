"""What users of the greeter notice when it dies."""

from __future__ import annotations

import asyncio

import pytest

from chaosrun.pytest import Chaosrun

RESTART = "experiments/restart.yaml"


def test_survives_a_restart(chaosrun: Chaosrun, service) -> None:
    result = chaosrun.run(RESTART, url=service.url, sets=service.sets)
    assert service.starts == 2
    assert result.profile == "quick"
    assert 0 < result.recovery.ttr_s < 8
    assert result.clients.reconnects == 10
    assert result.criterion("requests.lost_connected").value == 0
    assert result.report.name == "report.html"


def test_asks_for_more_than_it_gets(chaosrun: Chaosrun, service) -> None:
    async def within_a_loop() -> None:
        hasty = [{"metric": "ttr", "max": "1ms"}]
        chaosrun.run(RESTART, sets={**service.sets, "expect": hasty})

    asyncio.run(within_a_loop())


def test_stands_still_for_long(chaosrun: Chaosrun, service) -> None:
    frozen = [{"fault": "process_pause", "role": "service", "for": "60s"}]
    chaosrun.run(RESTART, sets={**service.sets, "method": frozen})


@pytest.mark.chaosrun(RESTART, sets={"configuration.port": 1}, unavailable="skip")
def test_is_skipped_where_there_is_no_service(chaosrun: Chaosrun) -> None:
    chaosrun.run()


def test_has_no_service(chaosrun: Chaosrun) -> None:
    chaosrun.run(RESTART, sets={"configuration.port": 1})


def test_has_a_slip_in_its_experiment(chaosrun: Chaosrun) -> None:
    chaosrun.run(RESTART, sets={"steady_state.load.guests.clients": "many"})
