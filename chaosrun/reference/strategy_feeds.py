"""What the strategy lab makes messages of: backtests that go on step by step, and what the program uses itself."""

from __future__ import annotations

import psutil

from chaosrun.reference._publisher import Channel
from chaosrun.reference.strategy_wire import Metrics, Progress


class Backtest:
    """One backtest, run again as soon as it is done. Its channel's epoch is the run, and its number the step."""

    def __init__(self, channel: Channel, steps: int, boot_id: str) -> None:
        self.channel = channel
        self._steps = steps
        self._boot_id = boot_id
        self._run = 1
        self._began_ns = 0
        channel.epoch = self._name()

    def step(self, now_ns: int, unix_ms: float) -> Progress:
        """The next step, under the channel's next number."""
        channel = self.channel
        if channel.seq == self._steps:
            self._run += 1
            channel.epoch, channel.seq = self._name(), 0
        if channel.seq == 0:
            self._began_ns = now_ns
        mark = channel.next()
        step, steps = mark.seq, self._steps
        # The first step ends when the run begins; before the second there is no pace to go by.
        left_s = (steps - step) * (now_ns - self._began_ns) / 1e9 / (step - 1) if step > 1 else None
        return Progress(
            channel.name,
            step,
            mark.boot_id,
            steps,
            percent=round(100 * step / steps, 2),
            left_s=None if left_s is None else round(left_s, 3),
            ts=unix_ms,
        )

    def _name(self) -> str:
        return f"{self._boot_id}-{self._run}"


class Usage:
    """CPU, memory and disk of this program, since the last time it was asked."""

    def __init__(self, now_ns: int) -> None:
        self._process = psutil.Process()
        self._process.cpu_percent()
        self._asked_ns = now_ns
        self._read, self._written = self._disk()

    def now(self, channel: Channel, now_ns: int, unix_ms: float) -> Metrics:
        mark = channel.next()
        read, written = self._disk()
        seconds = max(1e-3, (now_ns - self._asked_ns) / 1e9)
        used = Metrics(
            channel.name,
            mark.seq,
            mark.boot_id,
            cpu_percent=self._process.cpu_percent(),
            memory_mb=round(self._process.memory_info().rss / 2**20, 1),
            disk_read_kb_s=round((read - self._read) / 1024 / seconds, 1),
            disk_write_kb_s=round((written - self._written) / 1024 / seconds, 1),
            ts=unix_ms,
        )
        self._asked_ns, self._read, self._written = now_ns, read, written
        return used

    def _disk(self) -> tuple[int, int]:
        counted = self._process.io_counters()
        return counted.read_bytes, counted.write_bytes
