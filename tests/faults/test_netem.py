"""netem where this machine's kernel may have none: what is refused, where it would act, and that an undo takes away our
queue and nobody else's, in networks made for a test. With a kernel that has netem: tests/live/vm.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest
from pydantic import ValidationError

from chaosrun.errors import Unavailable
from chaosrun.faults.netem import Netem, UndoArgs, make, undo, verify
from chaosrun.identity import Identity, identify
from chaosrun.records import Undo
from chaosrun.shaping import network, tc
from chaosrun.shaping.queues import Shape
from chaosrun.spec.steps import NetemStep

SLOW = Shape(delay_ns=100_000_000)


@dataclass
class Process:
    """A role that is one process; of `chaosrun.faults._base.Role` only what this fault asks of it."""

    identity: Identity
    popen: subprocess.Popen[Any]

    def resolve(self) -> Sequence[Identity]:
        return [self.identity]


@dataclass
class World:
    url: str = "ws://127.0.0.1:9000/ws"
    roles: dict[str, Any] = field(default_factory=dict)

    def now(self) -> int:
        return 0


def step(**keys: object) -> NetemStep:
    return NetemStep.model_validate({"fault": "netem", **keys})


def planned(fault: Netem, world: World) -> tuple[str, object]:
    """The device and the port that it would act on."""
    record = fault.plan(world, "f1")  # type: ignore[arg-type]
    return str(record.identity["device"]), record.identity["port"]


# ---- the step -------------------------------------------------------------------------------------------------------


def test_a_step_of_the_yaml_becomes_the_shape_that_it_describes() -> None:
    keys = {"delay": "20ms", "jitter": "5ms", "loss": 0.01, "duplicate": "2%", "corrupt": "0.1%", "reorder": 0.5}
    fault = make(step(**keys, rate="1.5mbit"))
    assert isinstance(fault, Netem)
    assert fault._shape == Shape(20_000_000, 5_000_000, 0.01, 0.02, 0.001, 0.5, 187_500)
    assert fault.sustained


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({}, "does nothing"),
        ({"jitter": "5ms", "loss": 0.1}, "needs `delay`"),
        ({"delay": "5ms", "jitter": "6ms"}, "at most the `delay`"),
        ({"reorder": 0.1, "loss": 0.1}, "needs `delay`"),
        ({"delay": "5ms", "device": "lo root\nqdisc"}, "pattern"),
        ({"delay": "5ms", "port": 0}, "greater than or equal to 1"),
        ({"rate": "1MB"}, "pattern"),
    ],
)
def test_a_step_that_says_nothing_or_nonsense_is_refused(keys: dict[str, object], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        step(**keys)


# ---- where it acts --------------------------------------------------------------------------------------------------


def test_a_target_on_loopback_is_shaped_on_lo_at_its_own_port() -> None:
    assert planned(Netem("n", shape=SLOW), World()) == ("lo", 9000)
    assert planned(Netem("n", shape=SLOW, port=81), World()) == ("lo", 81)


@pytest.mark.parametrize(("url", "port"), [("ws://localhost/ws", 80), ("wss://localhost/ws", 443)])
def test_a_url_without_a_port_has_the_one_of_its_scheme(url: str, port: int) -> None:
    assert planned(Netem("n", shape=SLOW), World(url)) == ("lo", port)


def test_another_device_than_lo_carries_nothing_of_a_target_on_loopback() -> None:
    with pytest.raises(Unavailable, match="write `device: lo`"):
        planned(Netem("n", shape=SLOW, device="eth0"), World())


def test_what_comes_in_by_a_device_cannot_be_shaped_there() -> None:
    remote = World("ws://192.0.2.1:80")
    with pytest.raises(Unavailable, match="write `direction: in`"):
        planned(Netem("n", shape=SLOW, device="eth0", direction="out"), remote)
    assert planned(Netem("n", shape=SLOW, device="eth0", direction="in"), remote) == ("eth0", 80)


def test_of_several_devices_one_must_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The devices of the machine are stood in for: which it has is not for a test to say."""
    remote = World("ws://192.0.2.1:80")
    monkeypatch.setattr(network, "devices", lambda where: ["eth0", "eth1"])
    with pytest.raises(Unavailable, match="eth0, eth1; name one"):
        planned(Netem("n", shape=SLOW), remote)
    monkeypatch.setattr(network, "devices", lambda where: ["eth1"])
    assert planned(Netem("n", shape=SLOW), remote) == ("eth1", 80)


# ---- records that are void ------------------------------------------------------------------------------------------


def record_of(*, device: str = "lo", namespace: int = 1, boot: str = "") -> Undo:
    args = UndoArgs(device=device, namespace=namespace, pid=os.getpid(), longest_ns=0, limit=1)
    own = Netem("n", shape=SLOW).plan(World(), "f1")  # type: ignore[arg-type]
    return msgspec.structs.replace(own, args=msgspec.Raw(msgspec.json.encode(args)), boot_id=boot or own.boot_id)


def test_a_record_of_another_boot_is_void(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    undo(record_of(boot="another"))
    assert verify(record_of(boot="another"))


def test_a_record_of_a_network_that_is_gone_is_void(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    undo(record_of(namespace=1))
    assert verify(record_of(namespace=1))


# ---- in a network made for the test ---------------------------------------------------------------------------------


def needs_a_network() -> None:
    if os.geteuid() != 0 or shutil.which("tc") is None or shutil.which("unshare") is None:
        pytest.skip("needs root, tc and unshare, to make a network for the test")


@pytest.fixture
def away() -> Iterator[Process]:
    """A process in a network of its own, which goes when the process goes."""
    needs_a_network()
    ready = "ip link set lo up && echo ready && exec sleep 600"
    with subprocess.Popen(["unshare", "--net", "sh", "-c", ready], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            identity = identify(process.pid)
            assert identity is not None
            yield Process(identity, process)
        finally:
            process.kill()


def tc_in(process: Process, *words: str) -> str:
    command = ["nsenter", f"--net=/proc/{process.popen.pid}/ns/net", "tc", *words]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def fault_in(process: Process) -> tuple[Netem, World]:
    return Netem("slow it", shape=SLOW, role="server", device="lo"), World(roles={"server": process})


@pytest.mark.live
def test_whatever_an_injection_came_to_its_record_alone_takes_it_away(away: Process) -> None:
    """Of a batch on a kernel without netem only the beginning is there, as of one whose runner was killed."""
    fault, world = fault_in(away)
    record = msgspec.json.decode(msgspec.json.encode(fault.plan(world, "f1")), type=Undo)  # type: ignore[arg-type]
    undo(record)
    assert verify(record), "valid though nothing was injected"
    with contextlib.suppress(Unavailable):
        asyncio.run(fault.inject(world))  # type: ignore[arg-type]
    assert "504c: root" in tc_in(away, "qdisc", "show", "dev", "lo")
    assert not verify(record)
    undo(record)
    assert verify(record)
    assert tc_in(away, "qdisc", "show", "dev", "lo").startswith("qdisc noqueue 0: root")
    undo(record)
    assert verify(record)


@pytest.mark.live
def test_somebody_elses_queue_is_neither_replaced_nor_taken_away(away: Process) -> None:
    fault, world = fault_in(away)
    record = fault.plan(world, "f1")  # type: ignore[arg-type]
    tc_in(away, "qdisc", "add", "dev", "lo", "root", "handle", "7:", "htb", "default", "0")
    before = tc_in(away, "qdisc", "show", "dev", "lo")
    with pytest.raises(Unavailable):
        asyncio.run(fault.inject(world))  # type: ignore[arg-type]
    undo(record)
    assert verify(record)
    assert tc_in(away, "qdisc", "show", "dev", "lo") == before


@pytest.mark.live
@pytest.mark.parametrize(("handle", "told"), [("7:", "somebody set"), ("504c:", "of a run of chaosrun")])
def test_a_queue_that_is_there_is_refused_before_any_load(
    away: Process, monkeypatch: pytest.MonkeyPatch, handle: str, told: str
) -> None:
    # What stands in for the trial is only its answer: the kernel of these tests may have no netem.
    monkeypatch.setattr(tc, "why_not", lambda: None)
    fault, world = fault_in(away)
    asyncio.run(fault.check(world))  # type: ignore[arg-type]
    tc_in(away, "qdisc", "add", "dev", "lo", "root", "handle", handle, "htb", "default", "0")
    with pytest.raises(Unavailable, match=told):
        asyncio.run(fault.check(world))  # type: ignore[arg-type]


@pytest.mark.live
def test_a_device_that_is_not_there_is_refused(away: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tc, "why_not", lambda: None)
    fault = Netem("slow it", shape=SLOW, role="server", device="nosuch0")
    with pytest.raises(Unavailable, match="no device nosuch0"):
        asyncio.run(fault.check(World(roles={"server": away})))  # type: ignore[arg-type]


@pytest.mark.live
def test_the_network_is_found_by_others_in_it_and_void_when_all_are_gone(away: Process) -> None:
    fault, world = fault_in(away)
    record = fault.plan(world, "f1")  # type: ignore[arg-type]
    where = f"--net=/proc/{away.identity.pid}/ns/net"
    with subprocess.Popen(["nsenter", where, "sleep", "600"]) as other:
        tc_in(away, "qdisc", "add", "dev", "lo", "root", "handle", "504c:", "htb", "default", "0")
        while network.of(away.identity).inode != Path(f"/proc/{other.pid}/ns/net").stat().st_ino:
            pass  # until it has entered
        away.popen.kill()
        away.popen.wait()
        assert not verify(record), "the queue is there, with the other process"
        undo(record)
        assert verify(record)
        tc_in(
            Process(away.identity, other), "qdisc", "add", "dev", "lo", "root", "handle", "504c:", "htb", "default", "0"
        )
        assert not verify(record)
        other.kill()
    assert verify(record), "the network is gone, and the queue with it"
    undo(record)


@pytest.mark.live
def test_a_kernel_without_netem_is_told_before_any_load() -> None:
    needs_a_network()
    reason = tc.why_not()
    if reason is None:
        pytest.skip("this kernel has netem")
    with pytest.raises(Unavailable, match=r"no netem \(sch_netem\)"):
        asyncio.run(Netem("slow it", shape=SLOW).check(World()))  # type: ignore[arg-type]
