"""One experiment against the truth server, through chaosrun's normal path: loader, engine, processes, sockets, scorer.

    run = measure(Setup(clients=30, method=[noop("dip")]), Script(sections={"dip": (Outage(lasts=0.3),)}), scratch)
    run.result      what chaosrun says
    run.truth       what the server did, in run time

A `noop` step of the method begins the section of the script that has its name, if there is one.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import yaml
from truth import Truth, read_truth
from truth_log import last_pid
from truth_script import Feed, Order, Script

from chaosrun import engine
from chaosrun.judge import gather
from chaosrun.load.live import FleetNow
from chaosrun.plan import Plan
from chaosrun.recorded import read_run
from chaosrun.records import History, Resource
from chaosrun.scoring.evidence import Evidence
from chaosrun.scoring.result import Result
from chaosrun.spec.loader import load_experiment
from chaosrun.targets import ports

SERVER = Path(__file__).with_name("truth_server.py")
GROUP = "users"
R = TypeVar("R")


def noop(name: str) -> dict[str, Any]:
    return {"fault": "noop", "name": name}


def pause(seconds: float) -> dict[str, Any]:
    return {"pause": f"{seconds:g}s"}


@dataclass(frozen=True, kw_only=True)
class Setup:
    """The experiment, as far as rows differ. Texts and mappings are as in the YAML."""

    method: Sequence[Mapping[str, Any]]
    clients: int = 300
    requests: str = "1/s"
    group: Mapping[str, Any] = field(default_factory=dict)
    """Further keys of the load group; they win."""
    recovery: Mapping[str, Any] = field(default_factory=lambda: {"stable_for": "2s"})
    timing: Mapping[str, Any] = field(default_factory=dict)
    """Further keys of `timing`; they win."""
    expect: Sequence[Mapping[str, Any]] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Further keys of the experiment; they win."""


@dataclass(frozen=True)
class Measured:
    """One run and its truth."""

    result: Result
    folder: Path
    script: Script

    @cached_property
    def history(self) -> History:
        return read_run(self.folder).history

    @cached_property
    def evidence(self) -> Evidence:
        return gather(self.history)

    @cached_property
    def truth(self) -> Truth:
        return read_truth(self.folder.parent, read_run(self.folder).began.origin_ns, self.script)

    @property
    def sound(self) -> bool:
        """The run vouches for its numbers."""
        return self.result.observer.sound

    @property
    def was_steady(self) -> bool:
        """The faults were injected; where the baseline was not steady they are not, and the run says so."""
        return not self.history.unsteady


def measure(setup: Setup, script: Script, scratch: Path, herald: type[Herald] | None = None) -> Measured:
    """Run it. `scratch` is a folder of its own for each call; `herald` is who hears of the steps."""
    return asyncio.run(measured(setup, script, scratch, herald))


async def measured(setup: Setup, script: Script, scratch: Path, herald: type[Herald] | None = None) -> Measured:
    """The same on a running loop, where several may run at once.

    Raises:
        AssertionError: the run did not come to its end.
    """
    scratch.mkdir(parents=True, exist_ok=True)
    order = Order(script=script, port=ports.free_port(), folder=str(scratch))
    order.write(scratch / "order.json")
    file = scratch / "experiment.yaml"
    file.write_text(yaml.safe_dump(experiment(setup, script, order, scratch / "order.json"), sort_keys=False))
    watcher = (herald or Herald)(order)
    try:
        outcome = await engine.run(load_experiment(file), engine.Options(report_dir=scratch), watcher)
    finally:
        watcher.close()
    assert outcome.result.stopped_by is None, outcome.result.stopped_by
    return Measured(outcome.result, outcome.folder, script)


def measure_all(
    plans: Iterable[tuple[Setup, Script]], read: Callable[[Measured], Iterable[R]], scratch: Path, *, at_once: int
) -> list[R]:
    """Run all of them, so many at once, and read each as soon as it has ended. What is read is in the order of plans.

    Several runs in one process share its loop and nothing else: load, prober and server are processes of their own.
    """

    async def one(number: int, setup: Setup, script: Script, room: asyncio.Semaphore) -> list[R]:
        async with room:
            run = await measured(setup, script, scratch / str(number))
            return await asyncio.to_thread(lambda: list(read(run)))

    async def all_of_them() -> list[list[R]]:
        room = asyncio.Semaphore(at_once)
        return await asyncio.gather(*(one(number, *plan, room) for number, plan in enumerate(plans)))

    return [reading for readings in asyncio.run(all_of_them()) for reading in readings]


class Herald(engine.Watcher):
    """Tells the truth server when a step begins."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notes: list[str] = []

    def close(self) -> None:
        self._socket.close()

    @property
    def pid(self) -> int:
        """The server's process, of the start that runs now."""
        return last_pid(Path(self._order.folder))

    def began(self, folder: Path, title: str, plan: Plan) -> None: ...

    def phase(self, name: str, planned_ns: int | None) -> None: ...

    def fault(self, name: str, event: str, detail: str) -> None:
        if event == "called" and name in self._order.script.sections:
            self._socket.sendto(name.encode(), self._order.control)

    def live(self, live: FleetNow, resources: Mapping[str, Resource]) -> None: ...

    def note(self, text: str) -> None:
        self.notes.append(text)


def experiment(setup: Setup, script: Script, order: Order, order_file: Path) -> dict[str, Any]:
    group: dict[str, Any] = {
        "protocol": protocol(script.feed),
        "clients": setup.clients,
        "requests": setup.requests,
        "ramp": {"over": "500ms", "start": min(setup.clients, 50)},
        "connect_within": "1s",
        "reconnect": {"first": "50ms", "max": "500ms"},
    }
    if script.feed is not None:
        group["channels"] = {"list": list(script.channels), "per_client": len(script.channels)}
    timing = {"warmup": "500ms", "baseline": "3s", "recovery_timeout": "20s", "after": "3s", "verify": "1s"}
    return {
        "title": "Measured against the truth",
        "target": {
            "url": f"ws://127.0.0.1:{order.port}",
            "roles": {
                "server": {
                    "command": [sys.executable, str(SERVER), str(order_file)],
                    "ready": {"log": "^listening$", "within": "60s"},
                }
            },
        },
        "steady_state": {"load": {GROUP: group | setup.group}},
        "method": [dict(step) for step in setup.method],
        "recovery": dict(setup.recovery),
        "expect": [dict(criterion) for criterion in setup.expect],
        "timing": timing | setup.timing,
        **setup.extra,
    }


def protocol(feed: Feed | None) -> dict[str, Any]:
    """What the truth server speaks, as declared in YAML."""
    spoken: dict[str, Any] = {
        "path": "/",
        "query": {"who": "{client}"},
        "request": {"send": {"op": "ask", "id": "{id}"}, "reply": {"op": "answer", "id": "{id}"}},
        "error": {"match": {"op": "error", "id": "{id}"}},
    }
    if feed is not None:
        spoken |= _stream(feed)
    return spoken


def _stream(feed: Feed) -> dict[str, Any]:
    channel = "{channel}"
    stream: dict[str, Any] = {
        "match": {"op": "push"},
        "channel": "ch",
        "seq": "n",
        "scope": feed.scope,
        "sent_at": {"field": "at", "unit": "ns", "clock": "monotonic"},
    }
    mark: dict[str, Any] = {"send": {"op": "mark", "ch": channel}, "reply": {"op": "mark"}, "seq": "head"}
    if feed.epoch:
        stream["epoch"] = mark["epoch"] = "ep"
    if feed.head:
        stream["head"] = "head"
    told: dict[str, Any] = {
        "open": [{"send": {"op": "sub", "ch": channel}, "expect": {"op": "subbed", "ch": channel}}],
        "stream": stream,
        "high_water": mark | {"channel": "ch"},
    }
    if feed.replay:
        told["resume"] = {"send": {"op": "resume", "ch": channel, "from": "{last_seq}"}}
    return told
