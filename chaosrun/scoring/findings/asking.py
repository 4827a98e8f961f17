"""How the exchanges of pollers failed: their rows tell that they did, and only these lines why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final, NamedTuple

from chaosrun.records import Exchanges
from chaosrun.scoring.checks import SECOND
from chaosrun.scoring.findings._rule import COUNTS, Rule, Seen, Told, several
from chaosrun.scoring.findings.connecting import outages

_SPAN_NS: Final = 3 * SECOND // 2
"""A line tells of the second before it, and comes no later than half of one."""
_MOST: Final = 4
_NO_FAILURE: Final = "asked again"
_ACTIONS: Final = {
    "status": "Look up these answers in the service's log: what it could not do, and for whom.",
    "body": "Compare an answer with what `expect` wants: a key that is there only at times is a bug of one of the two.",
    "too_large": "Raise `max_message` if answers of that size are right.",
    "malformed": "Look at one answer byte by byte (curl -v --raw), and at what stands between: proxies rewrite.",
    "no answer": "Look for handlers that block, and for queues without a limit.",
    "no connection": "Look for a full accept queue: connections were not taken, or none was free because none was "
    "answered.",
}
_OTHERWISE: Final = "Look at when the service listened, and at what ended its connections."


class _Way(NamedTuple):
    request: str
    how: str
    status: int | None

    def __str__(self) -> str:
        return self.how if self.status is None else f"{self.how} {self.status}"


def _failed(seen: Seen) -> Iterator[Told]:
    for g, group in enumerate(seen.history.plan.groups):
        lines = [line for line in seen.history.exchanges if line.g == g]
        failed = [line for line in lines if line.how != _NO_FAILURE]
        if not failed:
            continue
        counts: Counter[_Way] = Counter()
        first: dict[_Way, str] = {}
        for line in failed:
            way = _Way(group.requests[line.request], line.how, line.status)
            counts[way] += line.count
            first.setdefault(way, line.detail)
        again = sum(line.count for line in lines if line.how == _NO_FAILURE)
        told = [f"{way.request}: {way}, {several(count, 'time')}{_said(first[way])}" for way, count in _most(counts)]
        more = len(counts) - len(told)
        told += [f"{several(more, 'more way')} to fail"] if more > 0 else []
        told += [f"{several(again, 'request')} asked again on a new connection"] if again else []
        (worst, _), *_ = _most(counts)
        yield Told(
            "warning" if _any_in_peace(seen, failed) else "info",
            f"{several(counts.total(), 'exchange')} of {group.name} failed, most by {worst}",
            "; ".join(told),
            _ACTIONS.get(worst.how, _OTHERWISE),
        )


def _most(counts: Counter[_Way]) -> list[tuple[_Way, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], str(item[0])))[:_MOST]


def _said(detail: str) -> str:
    return f" ({detail})" if detail else ""


def _any_in_peace(seen: Seen, lines: list[Exchanges]) -> bool:
    """Some failed in a second that no outage touched."""
    spans = outages(seen)
    return any(not any(line.t - _SPAN_NS < b and a <= line.t for a, b in spans) for line in lines)


RULES: Final = (Rule("exchanges-failed", _failed, COUNTS),)
