"""A run of the history: what of its result is kept in the index, so that a thousand runs are read at once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from math import inf, isinf

import msgspec

from chaosrun.history.accepted import Acceptance, moment
from chaosrun.scoring.comparable import Value, all_subjects
from chaosrun.scoring.result import Result

Number = tuple[float | None, float | None]
"""A value, null where it was never seen to end, and its error bound, null where nobody knows it."""


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """One run. A text is as the result has it: it may be of others."""

    place: str
    """Its folder, below that of all runs; `.` is that folder itself."""
    title: str
    profile: str | None
    fingerprint: str
    started_at: str
    verdict: str
    reasons: tuple[str, ...]
    sound: bool
    """The observer was, and CPU time was not taken away."""
    has_fault: bool
    groups: tuple[str, ...]
    required: dict[str, str] | None
    """What its fingerprint is made of; None: it was recorded before conditions were."""
    outdone: bool = False
    """It is of a series whose runs together were worse than the earlier ones that they were held against."""
    only_worse: bool = False
    """It failed, and for nothing but being worse than the earlier runs that it was held against."""
    accepted: dict[str, Acceptance] = {}
    """What was accepted with it, by the name of the number."""
    numbers: dict[str, Number]
    """By name, as in `response_p99@baseline`; of several groups with the group, `response_p99 of pollers`."""

    @property
    def is_good(self) -> bool:
        """What later runs may be held against."""
        return self.verdict == "passed" and self.counts and not self.outdone

    @property
    def would_be_good(self) -> bool:
        """It would be, if nobody minded its being worse than those before it."""
        return self.counts and (self.verdict == "passed" or self.only_worse)

    @property
    def counts(self) -> bool:
        """Its numbers may be compared with those of others; not where nobody knows what it was made under."""
        return self.sound and self.required is not None

    @property
    def began(self) -> datetime:
        """For their order."""
        return moment(self.started_at)

    def value(self, name: str) -> Value | None:
        """None: it gives no evidence of this number."""
        if name not in self.numbers:
            return None
        value, error = self.numbers[name]
        return Value(inf if value is None else value, error)


def is_outdone(series: Result) -> bool:
    """Its runs, each of which may have passed, are not good ones."""
    return series.against is not None and any(number.verdict == "regression" for number in series.against.numbers)


def _is_only_worse(result: Result) -> bool:
    """Without `--against` it would have passed."""
    own = [criterion.outcome for criterion in result.criteria if criterion.source != "against"]
    held = [criterion.outcome for criterion in result.criteria if criterion.source == "against"]
    return result.verdict == "failed" and all(own) and False in held


def kept(place: str, result: Result) -> Kept:
    """What is kept of a result."""
    return Kept(
        place=place,
        title=result.title,
        profile=result.profile,
        fingerprint=result.fingerprint,
        started_at=result.started_at,
        verdict=result.verdict,
        reasons=tuple(result.reasons[:1]),
        sound=result.observer.sound and not result.observer.slowed,
        has_fault=bool(result.faults),
        groups=tuple(result.groups),
        required=None if result.conditions is None else result.conditions.required,
        only_worse=_is_only_worse(result),
        numbers=dict(_numbers(result)),
    )


def _numbers(result: Result) -> Iterator[tuple[str, Number]]:
    if result.stopped_by is not None or result.verdict == "dirty":
        return  # what was cut short, or left broken, measures something else
    for subject in all_subjects(result):
        value = subject.read(result)
        if value is not None:
            yield subject.label, (None if isinf(value.value) else value.value, value.error)
