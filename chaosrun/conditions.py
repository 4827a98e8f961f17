"""What a run was made under, by name: which of it must be the same for two runs to be compared, and which may differ.

Written in the journal's first line and in `result.json`; it holds no secret.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import NamedTuple

import msgspec

_FINGERPRINT_LENGTH = 16


class Conditions(msgspec.Struct, frozen=True, kw_only=True):
    """Names and values as text; the names of what an experiment says are its paths, as for `--set`."""

    required: dict[str, str] = {}
    """Load, method, timing, tolerance and machine: two runs that differ in any of these measure different things."""
    noted: dict[str, str] = {}
    """What may bear on the numbers a little: versions, kernel, memory. A difference is said."""
    under_test: dict[str, str] = {}
    """What a comparison is made to tell apart: where the service is and how it is started. A difference is said."""

    def fingerprint(self) -> str:
        """The same for runs that can be compared, and for no others: 64 bits of the SHA-256 of what is required."""
        text = msgspec.json.encode(sorted(self.required.items()))
        return hashlib.sha256(text).hexdigest()[:_FINGERPRINT_LENGTH]


class Difference(NamedTuple):
    """One condition that two runs do not share; None: the run has nothing of that name."""

    name: str
    a: str | None
    b: str | None


def differences(a: Mapping[str, str], b: Mapping[str, str]) -> tuple[Difference, ...]:
    """Every name whose values differ, in the order of `a`, then those that only `b` has."""
    names = dict.fromkeys((*a, *b))
    return tuple(Difference(name, a.get(name), b.get(name)) for name in names if a.get(name) != b.get(name))
