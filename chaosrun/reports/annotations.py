"""`annotations.json`: what happened in the run as annotations for Grafana, a body of `POST /api/annotations` each.

Source: Grafana, "Annotations HTTP API", create annotation: `time` and `timeEnd` in milliseconds of Unix time, `tags`,
`text`; without a dashboard they belong to the organisation, and dashboards find them by their tags. Grafana shows the
text as HTML, so what others wrote is escaped.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape

import msgspec

from chaosrun.foreign import brief
from chaosrun.reports._base import ScoredRun
from chaosrun.reports._story import seconds, with_error
from chaosrun.scoring.result import EpisodeReport, FaultReport, Result


class Annotation(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The body of one request."""

    time: int
    timeEnd: int | None = None
    """None: an instant."""
    tags: list[str]
    text: str


def render(run: ScoredRun) -> Mapping[str, bytes]:
    names = {fault.id: fault.name for fault in run.began.plan.faults}
    found = list(bodies(run.result, run.began.wall_offset_ns, names))
    return {"annotations.json": msgspec.json.format(msgspec.json.encode(found), indent=2) + b"\n"}


def bodies(result: Result, origin_ns: int, names: Mapping[str, str]) -> Iterator[Annotation]:
    """The run, its faults, and each episode from impact to recovery.

    Args:
        origin_ns: Unix time of the run's start.
        names: of the faults, by their ids.
    """

    def at(run_s: float) -> int:
        return round((origin_ns + run_s * 1e9) / 1e6)

    def told(tag: str, start: float, end: float | None, text: str) -> Annotation:
        end_ms = None if end is None else at(max(start, end))
        return Annotation(time=at(start), timeEnd=end_ms, tags=["chaosrun", tag], text=escape(brief(text)))

    yield told("run", 0.0, result.duration_s, f"{result.verdict}: {result.title}")
    for fault in result.faults:
        if fault.call_s is not None:
            yield told("fault", fault.call_s, fault.removed_s, _fault(fault))
    for episode in result.recovery.episodes:
        of = ", ".join(dict.fromkeys(names.get(fault, fault) for fault in episode.faults)) or "it"
        if episode.impact_s is not None:
            yield told("impact", episode.impact_s, episode.recovered_s, f"impact of {of}: {_episode(episode)}")
        if episode.recovered_s is not None:
            yield told("recovered", episode.recovered_s, None, f"recovered from {of}")


def _fault(fault: FaultReport) -> str:
    role = f" of {fault.role}" if fault.role is not None else ""
    seen = "" if fault.verified else ", its effect not confirmed"
    return f"{fault.name} ({fault.kind}{role}){seen}"


def _episode(episode: EpisodeReport) -> str:
    if episode.ttr_s is not None:
        return f"recovered in {with_error(episode.ttr_s, episode.error_s)}"
    return f"not recovered within {seconds(episode.ttr_above_s)}"
