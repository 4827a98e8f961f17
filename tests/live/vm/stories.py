"""What is done inside the machine, told to those outside as facts: one function a story, chosen by name.

Runs in the machine as root, with the host's interpreter. It judges nothing: `facts.json` and the folder of the run go
to the results, and the tests read them.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]
RESULTS = Path("/mnt")
EXPERIMENT = ROOT / "experiments" / "latency-netem.yaml"
SMOKE = ("--profile", "smoke", "--format", "json")
PATIENCE_S = 600.0
TRIES = 3
"""A baseline that was not steady, on a machine as slow as this one, lets no fault in: then there is nothing to tell."""
INCONCLUSIVE = 3
GOES_ON = 75
"""Its guardian looks at everything once more, a moment later."""
MEASURED = 9
OURS = "504c:"
Facts = dict[str, Any]


@dataclass
class Run:
    process: subprocess.Popen[str]
    reports: Path

    def lines(self) -> Iterator[dict[str, Any]]:
        for journal in self.reports.glob("*/journal.jsonl"):
            for line in journal.read_bytes().split(b"\n"):
                try:
                    yield json.loads(line)
                except ValueError:
                    continue

    def wait_for(self, kind: str) -> dict[str, Any] | None:
        """The first line of this type; None: it ended without one."""
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            ended = self.process.poll() is not None  # first: what it wrote last is still to be read
            for line in self.lines():
                if line.get("type") == kind:
                    return line
            if ended:
                return None
            time.sleep(0.2)
        raise AssertionError(f"no {kind} within {PATIENCE_S} s")

    def finish(self) -> Facts:
        out, err = self.process.communicate(timeout=PATIENCE_S)
        return {"code": self.process.returncode, "out": out[-20_000:], "err": err[-4000:]}


WARM = "import chaosrun.engine, chaosrun.commands.run, chaosrun.load.worker, chaosrun.load.prober"
"""What is read from the host's files for the first time takes so long here that a load process would be given up."""


def begin(number: int, *more: str) -> Run:
    subprocess.run([sys.executable, "-c", WARM], cwd=ROOT, check=True)
    reports = Path("/tmp") / f"reports-{number}"
    process = subprocess.Popen(
        [sys.executable, "-m", "chaosrun", str(EXPERIMENT), *SMOKE, *more, "--report-dir", str(reports)],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    return Run(process, reports)


def come_to(kind: str, *more: str, first: int = 0) -> tuple[Run, dict[str, Any]]:
    for number in range(first, first + TRIES):
        run = begin(number, *more)
        line = run.wait_for(kind)
        if line is not None:
            return run, line
        ended = run.finish()
    raise AssertionError(f"no {kind} in {TRIES} runs: {ended}")


def queues(device: str = "lo") -> str:
    return subprocess.run(["tc", "qdisc", "show", "dev", device], capture_output=True, text=True, check=True).stdout


def connect_s(host: str, port: int) -> list[float]:
    """Seconds that connections take, measured without anything of chaosrun's."""
    times = []
    for _ in range(MEASURED):
        began = time.monotonic()
        with socket.create_connection((host, port), timeout=10):
            times.append(time.monotonic() - began)
    return sorted(times)


def beside_s() -> list[float]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return connect_s("127.0.0.1", listening.getsockname()[1])


def keep(run: Run) -> None:
    """The folder of the run, for the tests outside."""
    [folder] = run.reports.glob("2*")
    shutil.copytree(folder, RESULTS / "run")


# ---- the stories ----------------------------------------------------------------------------------------------------


def ended() -> Facts:
    """A run to its verdict, with connections timed beside it while the fault stands."""
    facts, run = _to_its_end(0)
    keep(run)
    return facts


def passed() -> Facts:
    """The same, until chaosrun can vouch for what it measured: where the host has other work, it cannot."""
    for number in range(TRIES):
        facts, run = _to_its_end(number)
        if facts["code"] != INCONCLUSIVE:
            break
    keep(run)
    return facts


def _to_its_end(number: int) -> tuple[Facts, Run]:
    facts: Facts = {"before": queues()}
    run, intent = come_to("intent", first=number * TRIES)
    run.wait_for("confirmed")
    port = intent["undo"]["identity"]["port"]
    facts |= {"during": queues(), "port_s": connect_s("127.0.0.1", port), "beside_s": beside_s()}
    facts |= run.finish() | {"after": queues()}
    return facts, run


def failure() -> Facts:
    """A run whose expectation does not hold."""
    run, _ = come_to("confirmed", "--set", "expect.response_p50.max=1ms")
    facts = {"during": queues(), **run.finish(), "after": queues()}
    keep(run)
    return facts


def stopped() -> Facts:
    """A run that is told to end while the fault stands."""
    run, _ = come_to("confirmed")
    run.process.send_signal(signal.SIGTERM)
    facts = {"during": queues(), **run.finish(), "after": queues()}
    keep(run)
    return facts


def killed() -> Facts:
    """A run that is killed while the fault stands, and what its guardian makes of that."""
    run, _ = come_to("confirmed")
    facts: Facts = {"during": queues()}
    run.process.kill()
    run.process.wait()
    began = time.monotonic()
    while OURS in queues() and time.monotonic() < began + PATIENCE_S:
        time.sleep(0.1)
    facts |= {"gone_after_s": time.monotonic() - began, "after": queues()}
    [folder] = run.reports.glob("2*")
    # The index of open runs is of no use here: the folder tells.
    command = [sys.executable, "-m", "chaosrun", "recover", str(folder), "--format", "json"]
    for name in ("recover", "again"):
        while True:
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE_S, cwd=ROOT)
            if done.returncode != GOES_ON or time.monotonic() > began + PATIENCE_S:
                break
            time.sleep(1)
        facts |= {name: done.returncode, f"{name}_told": done.stdout + done.stderr[-2000:]}
    keep(run)
    return facts


def bare() -> Facts:
    """The same without a load: a fault that stands, by a process that does nothing else, which is killed."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        folder = RESULTS / "bare"
        folder.mkdir()
        url = f"ws://127.0.0.1:{listening.getsockname()[1]}"
        holder = subprocess.Popen([sys.executable, str(Path(__file__)), "hold", str(folder), url], cwd=ROOT)
        end = time.monotonic() + PATIENCE_S
        while OURS not in queues() and holder.poll() is None and time.monotonic() < end:
            time.sleep(0.05)
        holder.kill()
        holder.wait()
        facts: Facts = {"left": queues(), "slow_s": connect_s("127.0.0.1", listening.getsockname()[1])}
        command = [sys.executable, str(Path(__file__)), "take_away", str(folder)]
        for name in ("undo", "again"):
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE_S, cwd=ROOT)
            facts |= {name: done.returncode, f"{name}_err": done.stderr[-2000:], f"after_{name}": queues()}
    return facts


def hold(folder: str, url: str) -> int:
    """Inject the fault as a run does, its undo in the journal first, and wait to be killed."""
    from chaosrun.faults.netem import make
    from chaosrun.journal import Journal
    from chaosrun.recorded import ENGINE
    from chaosrun.safety.standing import StandingFaults
    from chaosrun.spec.steps import NetemStep

    async def stand() -> None:
        faults = StandingFaults(Somewhere(url), Journal(Path(folder), ENGINE), lambda *told: None)
        await faults.inject(make(NetemStep.model_validate({"fault": "netem", "delay": "100ms"})), "fault-1")
        await asyncio.sleep(PATIENCE_S)

    asyncio.run(stand())
    return 1


def take_away(folder: str) -> int:
    """0: everything that the journal of a run has open is undone, and read back."""
    from chaosrun.recorded import read_lines
    from chaosrun.records import Intent, Undone
    from chaosrun.safety.undo import still_open, take_all_away

    lines = read_lines(Path(folder))
    records = still_open(lines.of(Intent), lines.of(Undone))
    print(f"{len(records)} open", file=sys.stderr)
    return (
        0 if records and take_all_away(records, lambda record, outcome: print(record, outcome, file=sys.stderr)) else 1
    )


def shapes() -> Facts:
    """Every shape as the kernel holds it, and who may not have it, by the fault alone: there is no run around it."""
    from chaosrun.errors import Unavailable
    from chaosrun.faults.netem import make, undo, verify
    from chaosrun.spec.steps import NetemStep

    told: Facts = {}
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        world = Somewhere(f"ws://127.0.0.1:{port}")
        for name, keys in SHAPES.items():
            fault = make(NetemStep.model_validate({"fault": "netem", **keys}))
            record = fault.plan(world, "fault-1")
            asyncio.run(fault.check(world))
            asyncio.run(fault.inject(world))
            seen = asyncio.run(fault.confirm(world))
            try:
                asyncio.run(make(NetemStep.model_validate({"fault": "netem", **keys})).check(world))
                refused = ""
            except Unavailable as error:
                refused = str(error)
            took_s, beside = connect_s("127.0.0.1", port), beside_s()
            undo(record)
            told[name] = {
                "verified": seen.verified,
                "how": seen.how,
                "refused": refused,
                "port_s": took_s,
                "beside_s": beside,
                "clean": verify(record),
                "after": queues(),
            }
    return told


SHAPES: dict[str, dict[str, object]] = {
    "delay": {"delay": "100ms"},
    "one way": {"delay": "100ms", "direction": "in"},
    "other way": {"delay": "100ms", "direction": "out"},
    "jitter": {"delay": "60ms", "jitter": "20ms"},
    "loss": {"loss": 0.02},
    "all": {"delay": "20ms", "loss": 0.005, "duplicate": 0.01, "corrupt": 0.001, "reorder": 0.25, "rate": "1.5mbit"},
    "another port": {"delay": "100ms", "port": 1},
}


class Somewhere:
    """A world without roles; implements `chaosrun.faults._base.World`."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.roles: dict[str, Any] = {}

    def now(self) -> int:
        return time.monotonic_ns()


def elsewhere() -> Facts:
    """A service in a network of its own, as in a container: shaped there, and here nothing."""
    from chaosrun.faults.netem import make, undo, verify
    from chaosrun.identity import identify
    from chaosrun.spec.steps import NetemStep

    serve = "import socket,time; s=socket.create_server(('10.9.0.2', 7000)); t=socket.create_server(('10.9.0.2', 7001))"
    for command in (
        "ip netns add away",
        "ip link add here type veth peer name there netns away",
        "ip addr add 10.9.0.1/24 dev here",
        "ip link set here up",
        "ip netns exec away ip addr add 10.9.0.2/24 dev there",
        "ip netns exec away ip link set there up",
    ):
        subprocess.run(command.split(), check=True)
    service = subprocess.Popen(["ip", "netns", "exec", "away", sys.executable, "-c", f"{serve}; time.sleep(600)"])
    wait_for_port("10.9.0.2", 7001)

    class Server:
        name = "server"

        def resolve(self) -> list[Any]:
            return [identify(service.pid)]

    world = Somewhere("ws://10.9.0.2:7000")
    world.roles["server"] = Server()
    fault = make(NetemStep.model_validate({"fault": "netem", "role": "server", "delay": "100ms"}))
    asyncio.run(fault.check(world))
    record = fault.plan(world, "fault-1")
    before = connect_s("10.9.0.2", 7000)
    asyncio.run(fault.inject(world))
    seen = asyncio.run(fault.confirm(world))
    facts: Facts = {
        "verified": seen.verified,
        "how": seen.how,
        "before_s": before,
        "port_s": connect_s("10.9.0.2", 7000),
        "beside_s": connect_s("10.9.0.2", 7001),
        "here": queues("here"),
        "there": there(),
    }
    # Nobody is in it any more, but its name keeps it: the undo must find it by that.
    service.kill()
    service.wait()
    undo(record)
    facts |= {"after": there(), "clean": verify(record)}
    subprocess.run(["ip", "netns", "del", "away"], check=True)
    undo(record)
    facts |= {"gone": verify(record)}
    return facts


def there() -> str:
    command = ["ip", "netns", "exec", "away", "tc", "qdisc", "show", "dev", "there"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def wait_for_port(host: str, port: int) -> None:
    end = time.monotonic() + PATIENCE_S
    while True:
        try:
            socket.create_connection((host, port), timeout=5).close()
            return
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)


STORIES = {each.__name__: each for each in (ended, passed, failure, stopped, killed, bare, shapes, elsewhere)}

if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    if sys.argv[1] == "take_away":
        sys.exit(take_away(sys.argv[2]))
    if sys.argv[1] == "hold":
        sys.exit(hold(*sys.argv[2:]))
    os.chdir(ROOT)
    facts = STORIES[sys.argv[1]]()
    (RESULTS / "facts.json").write_text(json.dumps(facts, indent=1))
