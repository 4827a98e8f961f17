"""Chance, from a seed: which connections a toxic affects, and what its stage draws.

The same seed gives the same connection of a proxy, counted in the order of their arrival, the same fate, whatever
happens to the others.
"""

from __future__ import annotations

from random import Random


class Lots:
    """What chance holds for one direction of one connection."""

    def __init__(self, seed: int, proxy: str, connection: int, stream: str) -> None:
        self._name = f"{seed}/{proxy}/{connection}/{stream}"

    def lot(self, toxic: str) -> float:
        """In 0..1: the connection is affected by the toxic of that name if its toxicity is above."""
        return Random(f"{self._name}/{toxic}/lot").random()

    def random(self, toxic: str) -> Random:
        """Numbers for the stage of the toxic of that name."""
        return Random(f"{self._name}/{toxic}")
