"""Bins of run time with edges that people can read, and times as the pages say them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

MS = 1_000_000
SECOND = 1_000_000_000


@dataclass(frozen=True)
class Bins:
    """Bin i is `[i * step, (i + 1) * step)`, ns of run time; `count` of them hold the whole run."""

    step: int
    count: int

    @classmethod
    def over(cls, end: int, most: int, *, shortest: int = 100 * MS) -> Bins:
        """The finest bins of 1, 2 or 5 times a power of ten that hold 0 to `end`, at most `most` of them.

        Args:
            shortest: no bin is shorter; 1, 2 or 5 times a power of ten itself.
        """
        step = next(step for step in _steps(shortest) if end // step < most)
        return cls(step, end // step + 1)

    def of(self, t: int) -> int:
        """The bin that holds `t`; what lies outside the run goes to the nearest."""
        i = t // self.step
        # Asked for every request of a run: min() and max() would take twice as long.
        return i if 0 <= i < self.count else 0 if i < 0 else self.count - 1

    def zeros(self) -> list[int]:
        return [0] * self.count


def _steps(shortest: int) -> Iterator[int]:
    leading, power = int(str(shortest)[0]), 10 ** (len(str(shortest)) - 1)
    while True:
        yield leading * power
        leading, power = {1: (2, power), 2: (5, power), 5: (1, 10 * power)}[leading]


def seconds(ns: int) -> float:
    """To the tenth of a millisecond."""
    return round(ns / SECOND, 4)
