"""Which of several requests is whose turn, by their weights."""

from __future__ import annotations

from collections.abc import Sequence
from math import gcd


class Turns:
    """A round in which request `i` has `weights[i]` turns, spread evenly (nginx's smooth weighted round-robin)."""

    def __init__(self, weights: Sequence[int]) -> None:
        self._round = _spread(weights) if weights else (0,)

    def pick(self, client: int, k: int) -> int:
        """The request of slot `k` of `client`. Clients begin at different places of the round."""
        return self._round[(client + k) % len(self._round)]


def _spread(weights: Sequence[int]) -> tuple[int, ...]:
    shared = gcd(*weights)
    turns = [weight // shared for weight in weights]
    total = sum(turns)
    credit = [0] * len(turns)
    order = []
    for _ in range(total):
        credit = [have + turn for have, turn in zip(credit, turns, strict=True)]
        best = max(range(len(turns)), key=lambda i: (credit[i], -i))
        credit[best] -= total
        order.append(best)
    return tuple(order)
