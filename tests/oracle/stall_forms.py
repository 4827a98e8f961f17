"""What a stall does to latency quantiles, in closed form: what users wait, and what a closed loop would print of it.

`N` clients ask once in `P` each, their phases spread evenly over `P`. For `D` of the `T` that is measured nothing is
answered; otherwise an answer takes `base`. All times are in ns, of any origin. Every formula is a tail inverted: the
`q`-quantile is the `x` with `P(wait > x) = 1 - q`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import ceil

from chaosrun.scoring.ratio import exact, rank


@dataclass(frozen=True, kw_only=True)
class Stall:
    """One stall of `length` within `span`, which it lies wholly inside of."""

    length: int
    span: int
    period: int
    base: int = 0
    busy: float = 0.0
    """The rate of requests as a share of the rate at which the server works off its backlog; 0: all at once."""

    def corrected(self, q: float) -> float:
        """From due to reply, of all that was due.

        A request due `u` after the beginning of the stall is behind `u/P` of each client's; it is answered at
        `D + busy*u`, so it waits `D - (1 - busy)*u`, until that is 0. Due times are uniform over `T`, hence
        `P(wait > x) = (D - x) / ((1 - busy)*T)`.
        """
        return self.base + max(0.0, self.length - (1 - self.busy) * (1 - q) * self.span)

    def discarded(self, q: float) -> int:
        """From due to the client's next good reply, where the backlog is thrown away; `D` is a multiple of `P`.

        The client's next request is due at one, two, ... `D/P` periods after each of those that it lost, whatever its
        phase: `P(wait >= j*P) = (D/P - j + 1) * P/T`.
        """
        rarer = (1 - exact(q)) * self.span / self.period
        periods = ceil(self.length // self.period + 1 - rarer) - 1
        return self.base + max(0, periods) * self.period

    def closed_loop(self, q: float) -> float:
        """From send to reply, of a client that waits for each reply before it asks again, `P` apart; `D >= P`.

        It has one request in the stall, sent within the first `P` of it, and one in `P` for the rest of the time:
        `1 + (T - D)/P` in all. `P(wait > x) = (D - x) / (T - D + P)` for `x >= D - P`; below, the tail is flat.
        """
        asked = self.span - self.length + self.period
        return self.base + (self.length - (1 - q) * asked if (1 - q) * asked <= self.period else 0.0)


def quantile(values: Iterable[int], q: float) -> int:
    """The `ceil(q*n)`-th smallest, as chaosrun defines it, of what a log says."""
    ordered = sorted(values)
    return ordered[rank(q, len(ordered)) - 1]


def as_a_closed_loop(slots: Iterable[tuple[int, int]]) -> Iterator[int]:
    """The waits that a closed loop at the same pace would have timed, given one client's `(due, reply)` by due time.

    It asks at a due time only when it waits for nothing, and starts its clock when it asks. What it did not ask while
    it waited is never in its numbers (the coordinated omission of Gil Tene).
    """
    free = 0
    for due, reply in slots:
        if due >= free:
            free = reply
            yield reply - due
