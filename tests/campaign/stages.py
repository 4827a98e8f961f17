"""What is hit, a stage a fault: a service that chaosrun finds, the experiment against it, and how both are seen."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, ClassVar

import seen

from chaosrun.targets.ports import free_port

ECHO = Path(__file__).with_name("echo_service.py")
EXPERIMENT = Path(__file__).with_name("experiment.yaml").read_text()
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "chaosrun" / "bin"
"""Where .ci/run puts the original Toxiproxy."""
_UP_WITHIN_S = 30.0
_GONE_WITHIN_S = 5.0


class Stage(ABC):
    """A system that is as it should be, to be broken and looked at. To be used as a context."""

    fault: ClassVar[str]
    hit: ClassVar[str]
    """What it hits, for the table."""

    def __init__(self) -> None:
        self.port = free_port()
        self.mark = f"campaign-{uuid.uuid4().hex[:12]}"
        self.env: Mapping[str, str] = {}
        """Of chaosrun, beside what tags it."""
        self.state = Path(tempfile.mkdtemp(prefix="campaign-state-"))
        """Where chaosrun keeps its own between runs."""
        self._ends = ExitStack()

    def __enter__(self) -> Stage:
        with ExitStack() as ends:
            ends.callback(shutil.rmtree, self.state)
            self._ends = ends
            self._begin()
            wait_until(lambda: not self.unwell(), f"the service at port {self.port} is up")
            self._ends = ends.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.close()

    @abstractmethod
    def _begin(self) -> None:
        """Start the service, with its end in `_ends`."""

    @property
    @abstractmethod
    def step(self) -> Mapping[str, Any]:
        """The fault, as a step of the method."""

    @property
    @abstractmethod
    def role(self) -> Mapping[str, Any]:
        """How chaosrun finds the service."""

    @property
    def proxy(self) -> Mapping[str, Any] | None:
        return None

    def experiment(self) -> str:
        """The YAML of a run; JSON is YAML, and needs no care with what it quotes."""
        target = {"url": self.url, "roles": {"server": self.role}, "ready": {"websocket": self.url}}
        if self.proxy is not None:
            target["proxy"] = self.proxy
        return f"{EXPERIMENT}\ntarget: {json.dumps(target)}\nmethod: {json.dumps([self.step])}\n"

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/"

    @abstractmethod
    def standing(self) -> list[str]:
        """What of the fault is in the world right now, in words."""

    def unwell(self) -> list[str]:
        """What else is not as it was: who still talks to the service, and whether it serves."""
        if left := seen.connections_to(self.port):
            return [f"{left} connections to the service are established"]
        return [] if seen.shakes_hands(self.port) else [f"no WebSocket handshake at {self.url}"]

    def is_service(self, who: seen.Who) -> bool:
        """Whether a process is the service itself, whoever started it."""
        return False


class Found(Stage):
    """The service is a process that was there before chaosrun."""

    def _begin(self) -> None:
        first = subprocess.Popen(
            self._command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True
        )
        self._ends.callback(first.wait)
        self._ends.callback(self._end)

    @property
    def _command(self) -> list[str]:
        return [sys.executable, str(ECHO), "--port", str(self.port), "--mark", self.mark]

    @property
    def role(self) -> Mapping[str, Any]:
        name = Path(sys.executable).name
        return {"process": {"name": name, "cmdline_contains": [str(ECHO), self.mark], "start": self._command}}

    def services(self) -> list[seen.Who]:
        return [entry.who for pid, entry in seen.processes().items() if entry.runs and self._is_meant(pid)]

    def is_service(self, who: seen.Who) -> bool:
        return self._is_meant(who.pid)

    def _is_meant(self, pid: int) -> bool:
        words = seen.command_line(pid)
        # A shell that is about to become it has the same words behind its own.
        return words[1:2] == [str(ECHO)] and self.mark in words

    def unwell(self) -> list[str]:
        services = self.services()
        if len(services) != 1:
            return [f"{len(services)} processes are the service: {seen.shown(services)}"]
        return super().unwell()

    def _end(self) -> None:
        end = time.monotonic() + _GONE_WITHIN_S
        while (left := self.services()) and time.monotonic() < end:
            for each in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(each.pid, signal.SIGKILL)
            time.sleep(0.02)


class ProcessPause(Found):
    fault = "process_pause"
    hit = "a process that is found"

    @property
    def step(self) -> Mapping[str, Any]:
        return {"fault": self.fault, "role": "server", "for": "800ms"}

    def standing(self) -> list[str]:
        stopped = [each for each in self.services() if seen.is_stopped(each.pid)]
        return [f"stopped: {seen.shown(stopped)}"] if stopped else []


class ProcessKill(Found):
    fault = "process_kill"
    hit = "a process that is found; its undo is to start it again"

    @property
    def step(self) -> Mapping[str, Any]:
        return {"fault": self.fault, "role": "server", "restart": {"by": "chaosrun", "after": "600ms"}}

    def standing(self) -> list[str]:
        return [] if self.services() else ["the service is down"]


class ClientDisconnect(Found):
    """The effect is in the load itself: what its connections are at the service is all that can be seen of it."""

    fault = "client_disconnect"
    hit = "half of the load's connections, `vanished`; stands: any connection of the load"

    @property
    def step(self) -> Mapping[str, Any]:
        return {"fault": self.fault, "clients": "50%", "how": "vanished", "for": "800ms"}

    def standing(self) -> list[str]:
        left = seen.connections_to(self.port)
        return [f"{left} connections of the load"] if left else []


class Toxiproxy(Found):
    fault = "toxiproxy"

    def __init__(self) -> None:
        super().__init__()
        self.api = free_port()
        self._theirs: object = None

    @property
    def hit(self) -> str:  # type: ignore[override]
        return f"a Toxiproxy ({'the original' if _original() else 'the embedded one'}) with a proxy of somebody else's"

    def _begin(self) -> None:
        super()._begin()
        program = _original()
        argv = [program, "-host", "127.0.0.1"] if program else [sys.executable, "-m", "chaosrun.proxy"]
        port = ["-port" if program else "--port", str(self.api)]
        server = subprocess.Popen(
            [*argv, *port], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self._ends.callback(server.wait)
        self._ends.callback(server.kill)
        wait_until(lambda: self.ask("GET", "/version") is not None, "the Toxiproxy answers")
        somewhere = {"name": "theirs", "listen": f"127.0.0.1:{free_port()}", "upstream": "127.0.0.1:9"}
        self.ask("POST", "/proxies", somewhere)
        self.ask("POST", "/proxies/theirs/toxics", {"name": "slow", "type": "latency", "attributes": {"latency": 5}})
        self._theirs = self._proxies().get("theirs")
        assert self._theirs

    @property
    def step(self) -> Mapping[str, Any]:
        return {"fault": self.fault, "toxic": "latency", "attributes": {"latency": "60ms"}, "for": "800ms"}

    @property
    def proxy(self) -> Mapping[str, Any] | None:
        return {"toxiproxy": f"http://127.0.0.1:{self.api}", "links": ["server"]}

    def standing(self) -> list[str]:
        others = {name: proxy for name, proxy in self._proxies().items() if name != "theirs"}
        return [f"{name}: {proxy}" for name, proxy in others.items() if proxy["toxics"] or not proxy["enabled"]]

    def unwell(self) -> list[str]:
        proxies = self._proxies()
        if proxies.pop("theirs", None) != self._theirs:
            return ["the proxy of somebody else is not as it was"]
        return [f"proxy {', '.join(proxies)} is left"] if proxies else super().unwell()

    def _proxies(self) -> dict[str, Any]:
        return json.loads(self.ask("GET", "/proxies") or b"{}")  # type: ignore[no-any-return]

    def ask(self, method: str, path: str, body: object = None) -> bytes | None:
        connection = http.client.HTTPConnection("127.0.0.1", self.api, timeout=5)
        try:
            connection.request(method, path, None if body is None else json.dumps(body))
            return connection.getresponse().read()
        except OSError:
            return None
        finally:
            connection.close()


class ContainerPause(Stage):
    fault = "container_pause"
    hit = "a container on a real engine"
    engine: ClassVar[Any] = None
    """A `docker_stage.Stage`, for as long as there is one."""

    def _begin(self) -> None:
        text = ("python", "-c", ECHO.read_text(), "--host", "0.0.0.0", "--port", "9000")
        self.name = self.engine.run(*text, ports={9000: self.port}, name=self.mark)
        self._ends.callback(self.engine.api.remove_container, self.name, force=True)
        self.env = {"DOCKER_HOST": self.engine.host}

    @property
    def step(self) -> Mapping[str, Any]:
        return {"fault": self.fault, "role": "server", "for": "800ms"}

    @property
    def role(self) -> Mapping[str, Any]:
        return {"container": self.name}

    def standing(self) -> list[str]:
        state = self.engine.api.inspect_container(self.name)["State"]
        return [] if state["Status"] == "running" else [f"container {self.name} is {state['Status']}"]


def _original() -> str | None:
    return shutil.which("toxiproxy-server") or shutil.which("toxiproxy-server", path=str(CACHE))


def wait_until(holds: Callable[[], object], what: str) -> None:
    """Raises:
    TimeoutError: it does not hold within `_UP_WITHIN_S`.
    """
    end = time.monotonic() + _UP_WITHIN_S
    while not holds():
        if time.monotonic() > end:
            raise TimeoutError(f"not within {_UP_WITHIN_S:g} s: {what}")
        time.sleep(0.02)


@contextlib.contextmanager
def docker() -> Iterator[None]:
    """An engine for `ContainerPause`, with the image that the tests make of this machine's own files."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "containers"))
    from docker_stage import stage_of_its_own

    with stage_of_its_own() as engine:
        ContainerPause.engine = engine
        yield


STAGES: Mapping[str, type[Stage]] = {
    each.fault: each for each in (ProcessPause, ProcessKill, Toxiproxy, ClientDisconnect, ContainerPause)
}
FAULTS: Sequence[str] = tuple(STAGES)
