"""Which load processes have fallen silent. Each says five times a second how it is, so a few looks in vain tell."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

LOOKS_A_SECOND: Final = 5
"""As often as a worker speaks."""
NOTICED: Final = LOOKS_A_SECOND
GIVEN_UP: Final = 10 * LOOKS_A_SECOND


class Silent(NamedTuple):
    """A load process that says nothing."""

    name: str
    given_up: bool
    """It has said nothing for so long that it is not waited for any more."""


class Silence:
    """Looks five times a second for news of every worker.

    It counts looks and reads no clock: when the engine itself was held up it heard nobody, and that proves nothing.
    """

    def __init__(self) -> None:
        self._newest: dict[str, int] = {}
        self._in_vain: dict[str, int] = {}

    def look(self, heard: Mapping[str, int]) -> Iterator[Silent]:
        """Those that fell silent a second ago, and those that are given up now; each is told once.

        Args:
            heard: when each worker's newest snapshot was made.
        """
        for name, newest in heard.items():
            in_vain = 0 if self._newest.get(name) != newest else self._in_vain[name] + 1
            self._newest[name], self._in_vain[name] = newest, in_vain
            if in_vain in (NOTICED, GIVEN_UP):
                yield Silent(name, in_vain == GIVEN_UP)
