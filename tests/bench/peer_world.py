"""What the peers are held against: a reference service with its own log, and the processes of a client, watched."""

from __future__ import annotations

import json
import os
import re
import resource
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[2]
HELD_NS = 1_000_000_000
"""A connection that was held for so long is a client's. chaosrun's prober tries fresh ones, which it ends at once."""
LOOK_EVERY_S = 0.5


class Service:
    """A reference service in a process of its own, which can be killed and started again on the same port."""

    def __init__(self, module: str, counter: str, folder: Path, *options: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port: int = probe.getsockname()[1]
        self.events = folder / f"events-{self.port}.jsonl"
        self._counter = re.compile(rf"^{counter}(?:{{.*}})? (\d+)$", re.MULTILINE)
        listen = ["--port", str(self.port), "--die-with-stdin", "--events", str(self.events)]
        self._command = [sys.executable, "-m", f"chaosrun.reference.{module}", *listen, *options]
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT)
        assert self._process.stdout is not None
        if not self._process.stdout.readline():
            raise RuntimeError(f"{self._command} ended with {self._process.wait()}")

    def kill(self) -> None:
        self._process.kill()

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def end(self) -> None:
        self._process.terminate()
        self._process.communicate(timeout=30)

    def asked(self) -> int:
        """What it has answered since its start, by its own counter."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=10) as answer:
            return sum(map(int, self._counter.findall(answer.read().decode())))

    def connections(self, since_ns: int = 0) -> list[int]:
        """When each connection that was held was accepted, of those after `since_ns`, in order."""
        opened: dict[tuple[int, int], int] = {}
        boot = now = 0
        for event in map(json.loads, self.events.read_text().splitlines()):
            now = event["t"]
            if event["event"] == "listening":
                boot += 1
            elif event["event"] == "accept":
                opened[boot, event["conn"]] = now
            elif event["event"] == "closed" and now - opened[boot, event["conn"]] < HELD_NS:
                del opened[boot, event["conn"]]
        return sorted(at for at in opened.values() if at > since_ns)

    def listening_ns(self) -> int:
        """When it listened last."""
        lines = map(json.loads, self.events.read_text().splitlines())
        return max(event["t"] for event in lines if event["event"] == "listening")


@contextmanager
def serving(module: str, counter: str, folder: Path, *options: str) -> Iterator[Service]:
    service = Service(module, counter, folder, *options)
    try:
        yield service
    finally:
        service.end()


class Client:
    """A command that is run to its end; the CPU time and memory of all of its processes, looked at twice a second.

    Memory is the sum of what each has resident, so that what they share counts in each.
    """

    def __init__(self, command: list[str], output: Path, environment: dict[str, str]) -> None:
        self.peak_mb = 0.0
        self._reaped_before_s = reaped_s()
        self._cpu: dict[tuple[int, float], float] = {}
        self._lock = threading.Lock()
        with output.open("wb") as file:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                cwd=ROOT,
                env=os.environ | environment,
            )
        self._root = psutil.Process(self._process.pid)
        self._ended = threading.Event()
        self._watch = threading.Thread(target=self._look_on, daemon=True)
        self._watch.start()

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def cpu_s(self) -> float:
        """Used so far, by all of its processes; the last half second of one that has ended is not seen."""
        self._look()
        return sum(self._cpu.values())

    def whole_cpu_s(self) -> float:
        """Of an ended command, if nothing else that this process began has ended meanwhile: of all that was waited for,
        as the kernel counts it, or of all that was seen, if that is more."""
        return max(self.cpu_s(), self._whole_s)

    def wait(self, within_s: float) -> int:
        """Its exit code. It is ended if it takes longer."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(within_s)
        if self.running:
            self.end()
            raise TimeoutError(f"it did not end within {within_s:.0f} s")
        self._whole_s = reaped_s() - self._reaped_before_s
        return self._process.returncode

    def end(self) -> None:
        """Ends what is left of it and of its children."""
        self._ended.set()
        self._watch.join()
        family = self._family()
        for process in family:
            with suppress(psutil.NoSuchProcess):
                process.terminate()
        _, left = psutil.wait_procs(family, timeout=20)
        for process in left:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self._process.wait()

    def _look_on(self) -> None:
        while not self._ended.wait(LOOK_EVERY_S):
            self._look()

    def _family(self) -> list[psutil.Process]:
        with suppress(psutil.NoSuchProcess):
            return [self._root, *self._root.children(recursive=True)]
        return []

    def _look(self) -> None:
        resident = 0
        with self._lock:
            for process in self._family():
                with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                    times = process.cpu_times()
                    self._cpu[process.pid, process.create_time()] = times.user + times.system
                    resident += process.memory_info().rss
            self.peak_mb = max(self.peak_mb, resident / 1e6)


def reaped_s() -> float:
    """CPU seconds of all children of this process that have ended, and of theirs."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def wait_until(what: str, is_so: Callable[[], bool], within_s: float) -> None:
    end = time.monotonic() + within_s
    while not is_so():
        if time.monotonic() > end:
            raise TimeoutError(f"not within {within_s:.0f} s: {what}")
        time.sleep(0.1)
