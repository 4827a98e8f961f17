"""What the bench starts and measures: processes that obey lines on stdin, their CPU time and their memory."""

from __future__ import annotations

import os
import resource
import subprocess
from collections.abc import Sequence
from pathlib import Path

import psutil

HERE = Path(__file__).parent


class Program:
    """A process that prints a line when it is ready, and ends with its stdin."""

    def __init__(self, command: Sequence[str | Path], **environment: str) -> None:
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ | environment
        )
        self.pid = self._process.pid
        self.ready = self.hear()

    def hear(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline().strip()
        if not line:
            raise RuntimeError(f"{self._process.args} ended with {self._process.wait()}")
        return line

    def tell(self, order: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(order + "\n")
        self._process.stdin.flush()

    def terminate(self) -> None:
        """For a program that does not end with its stdin."""
        self._process.terminate()
        self.end()

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()

    def end(self) -> str:
        """Close its stdin; returns the last it says."""
        last, _ = self._process.communicate(timeout=30)
        return last.strip()


def compiled(name: str, folder: Path) -> Path:
    """The program `name`.c of the bench, compiled into `folder`."""
    program = folder / name
    subprocess.run(["gcc", "-O2", "-Wall", "-o", str(program), str(HERE / f"{name}.c")], check=True)
    return program


class TickServer(Program):
    def __init__(self, program: Path, port: int = 0) -> None:
        super().__init__([program, str(port)])
        self.port = int(self.ready)

    def rate(self, ticks_per_second: int) -> None:
        self.tell(f"rate {ticks_per_second}")

    def count(self) -> tuple[int, int]:
        """Ticks sent so far, and connections open."""
        self.tell("count")
        sent, is_open = self.hear().split()
        return int(sent), int(is_open)


def cpu_s(pid: int) -> float:
    """CPU seconds of all threads of a process, to the nanosecond (`times` counts in hundredths)."""
    threads = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(thread.read_text().split()[0]) for thread in threads) / 1e9


def rss_mb(pid: int) -> float:
    """Resident megabytes of a process."""
    return psutil.Process(pid).memory_info().rss / 1e6


def raise_descriptors(wanted: int) -> int:
    """Raise the soft limit of this process, which its children inherit, as far as allowed; returns the limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, limit), hard))
    return max(soft, limit)
