"""What is not known of an experiment because its file is wrong there, so that one mistake is not reported as two."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Final, NamedTuple

from chaosrun.spec.nodes import Path

_MOST_FINDINGS: Final = 300
"""Each is held against all before it: of thousands, the first are enough to mend."""


class Finding(NamedTuple):
    """What is wrong between the parts of an experiment, and where it is said."""

    path: Path
    text: str
    needs: tuple[Path, ...] = ()
    """The other parts that it rests on: were one of them different, it might not hold."""


@dataclass
class Doubt:
    """The parts whose value is not what the user means: wrong, missing, misspelt, or not to be read."""

    paths: set[Path] = field(default_factory=set)
    vague: set[Path] = field(default_factory=set)
    """Parts that hold what an override was meant to change: they are wrong by themselves, but not because of others."""
    _around: set[Path] = field(default_factory=set)
    """Every part that holds one of either; of as many of them as there were at `_seen`."""
    _seen: tuple[int, int] = (0, 0)

    def __bool__(self) -> bool:
        return bool(self.paths or self.vague)

    def add(self, path: Path) -> None:
        self.paths.add(path)

    def covers(self, path: Path) -> bool:
        """Whether the part, or what it stands in, is in doubt."""
        return any(path[:length] in self.paths for length in range(len(path) + 1))

    def touches(self, path: Path) -> bool:
        """Whether any of the part is in doubt."""
        if self._seen != (len(self.paths), len(self.vague)):  # both only ever grow
            self._seen = (len(self.paths), len(self.vague))
            self._around = {each[:length] for each in self.paths | self.vague for length in range(len(each) + 1)}
        return path in self._around or any(
            path[:length] in self.paths or path[:length] in self.vague for length in range(len(path))
        )


def sure(findings: Iterable[Finding], doubt: Doubt) -> Iterator[Finding]:
    """The findings that hold whatever is right where there is doubt.

    A name that is found wrong puts itself in doubt for the findings after it that need it.
    """
    found = Doubt()
    for finding in islice(findings, _MOST_FINDINGS):
        needed = any(doubt.touches(path) or found.touches(path) for path in finding.needs)
        if not needed and not doubt.covers(finding.path):
            yield finding
        found.add(finding.path)
