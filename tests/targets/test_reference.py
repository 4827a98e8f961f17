"""The embedded target: a terminal and a bridge on ports of chaosrun's choice, as roles."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
from pathlib import Path

import pytest
import yaml
from websockets.asyncio.client import connect

from chaosrun.errors import Unavailable, UsageError
from chaosrun.identity import Identity, send_signal
from chaosrun.targets import reference
from chaosrun.targets.reference import ReferenceTarget
from chaosrun.targets.serving import serve, target_yaml


class Journal:
    """The observer: what was reported, by role."""

    def __init__(self) -> None:
        self.spawned_roles: list[str] = []
        self.exits: list[tuple[str, int | None, bool]] = []

    def spawned(self, role: str, identity: Identity) -> None:
        self.spawned_roles.append(role)

    def exited(self, role: str, identity: Identity, code: int | None, expected: bool) -> None:
        self.exits.append((role, code, expected))


def target(tmp_path: Path, journal: Journal | None = None, **more: object) -> ReferenceTarget:
    return ReferenceTarget(
        "mt5-bridge", run=str(tmp_path), directory=tmp_path, observer=journal or Journal(), **more  # type: ignore[arg-type]
    )  # fmt: skip


async def first_tick(url: str, channel: str = "EURUSD") -> dict[str, object]:
    async with connect(url, proxy=None) as socket:
        await socket.send(json.dumps({"type": "auth", "account": "1"}))
        await socket.send(json.dumps({"type": "subscribe", "channels": [channel]}))
        while True:
            message: dict[str, object] = json.loads(await socket.recv())
            if message["type"] == "tick":
                return message


def test_it_serves_restarts_its_server_on_the_same_port_and_ends_in_reverse_order(tmp_path: Path) -> None:
    journal = Journal()
    service = target(tmp_path, journal, options={"symbols": ["GBPUSD"], "rate": 50})

    async def scenario() -> tuple[dict[str, object], dict[str, object]]:
        took_ns = await service.start()
        assert list(took_ns) == ["terminal", "server"]
        before = await first_tick(service.url, "GBPUSD")
        server = service.roles["server"]
        server.expect_exit()
        send_signal(server.pids()[0], signal.SIGKILL)
        await server.start()
        await server.wait_ready()
        after = await first_tick(service.url, "GBPUSD")
        await service.stop()
        return before, after

    before, after = asyncio.run(scenario())
    assert after["boot_id"] == before["boot_id"]
    published = {record.last for record in service.published(0) if record.channel == "GBPUSD"}
    assert {before["seq"], after["seq"]} <= published
    assert journal.spawned_roles == ["terminal", "server", "server"]
    assert journal.exits == [("server", -signal.SIGKILL, True), ("server", 0, True), ("terminal", 0, True)]


def test_a_port_that_is_taken_between_choice_and_use_is_chosen_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        real, taken = reference.free_port, [other.getsockname()[1]]
        monkeypatch.setattr(reference, "free_port", lambda *args: taken.pop() if taken else real(*args))
        service = target(tmp_path)

        async def scenario() -> None:
            await service.start()
            await first_tick(service.url)
            await service.stop()

        asyncio.run(scenario())


def test_a_port_that_was_asked_for_and_is_taken_is_told_before_anything_is_started(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        journal = Journal()
        service = target(tmp_path, journal, port=port)
        with pytest.raises(Unavailable, match=f"cannot listen on 127.0.0.1:{port}: Address already in use; name anoth"):
            asyncio.run(service.start())
    assert journal.spawned_roles == []


def test_a_port_that_was_asked_for_and_is_taken_at_the_last_moment_is_tried_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        real, looks = reference.why_not_listen, [None]
        monkeypatch.setattr(reference, "why_not_listen", lambda *at: looks.pop() if looks else real(*at))
        journal = Journal()
        service = target(tmp_path, journal, port=port)
        with pytest.raises(Unavailable, match=f"cannot listen on 127.0.0.1:{port}: Address already in use; name anoth"):
            asyncio.run(service.start())
    assert journal.spawned_roles == ["terminal", "server"]
    assert not any(role.is_alive() for role in service.roles.values())


def test_modules_of_the_working_directory_are_none_of_its_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "select.py").write_text("raise SystemExit('a module of the project')")
    monkeypatch.chdir(tmp_path)
    service = target(tmp_path)

    async def scenario() -> None:
        await service.start()
        await service.stop()

    asyncio.run(scenario())


def test_the_token_goes_by_environment_and_is_on_no_command_line(tmp_path: Path) -> None:
    service = target(tmp_path, env={"CHAOSRUN_TOKEN": "hunter2"})

    async def scenario() -> object:
        await service.start()
        try:
            async with connect(service.url, proxy=None) as socket:
                await socket.send(json.dumps({"type": "auth", "account": "1", "token": "wrong"}))
                return json.loads(await socket.recv())
        finally:
            await service.stop()

    assert asyncio.run(scenario()) == {"type": "error", "error": "auth refused"}
    assert not any("hunter2" in str(role.argv) for role in service.roles.values())


def test_unknown_services_and_options_are_refused_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no reference service 'mt4-bridge'; known: agents, mt5-bridge, "):
        ReferenceTarget("mt4-bridge", run="r", directory=tmp_path, observer=Journal())
    with pytest.raises(UsageError, match=r"mt5-bridge has no option 'rates'; known: delay_ms, drop, .* symbols"):
        target(tmp_path, options={"rates": 5})


def test_by_hand_it_serves_until_told_to_stop_and_says_how_to_point_an_experiment_at_it(tmp_path: Path) -> None:
    said: list[str] = []

    async def scenario() -> None:
        serving = asyncio.create_task(serve("mt5-bridge", directory=tmp_path, say=said.append))
        while not any("target:" in each for each in said):
            await asyncio.sleep(0.02)
        url = yaml.safe_load(said[-1].partition("\n\n")[2])["target"]["url"]
        await first_tick(f"{url}/ws")
        signal.raise_signal(signal.SIGINT)
        await serving

    asyncio.run(scenario())
    assert any("serves ws://127.0.0.1:" in each for each in said)


def test_the_yaml_by_hand_selects_each_part_by_its_port_and_starts_it_without_a_tie_to_us(tmp_path: Path) -> None:
    service = target(tmp_path)
    roles = yaml.safe_load(target_yaml(service))["target"]["roles"]
    for name in service.roles:
        process = roles[name]["process"]
        assert process["cmdline_contains"] == [f"--port {service.ports[name]} "]
        assert process["cmdline_contains"][0] in " ".join(process["start"])
        assert "--die-with-stdin" not in process["start"]
    assert roles["server"]["admin"] == f"http://127.0.0.1:{service.ports['server admin']}"
    assert "admin" not in roles["terminal"]
