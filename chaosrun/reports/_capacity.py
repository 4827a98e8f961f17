"""How large a load is, how many processes and machines it needs, and why: what `chaosrun plan` prints."""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import wrap
from typing import Any, Final

import msgspec

from chaosrun.capacity import BUSY, MACHINE_BUSY, Bound, Capacity
from chaosrun.costs import GroupDemand
from chaosrun.reports._safe_text import clean
from chaosrun.scoring.words import show

SCHEMA: Final = 1
_LABEL: Final = 10
"""Columns of the left one."""


def render_capacity(found: Capacity, title: str, costs_from: str, *, width: int = 100) -> str:
    """The answer for people: the numbers, then what they come from.

    Args:
        costs_from: where the costs are from, in words.
    """
    lines = [*wrap(clean(title), max(20, width)), ""]
    for label, text in _rows(found, costs_from):
        wrapped = wrap(clean(text), max(20, width - _LABEL), break_on_hyphens=False) or [""]
        lines += [f"{label if not place else '':{_LABEL}}{line}".rstrip() for place, line in enumerate(wrapped)]
    return "\n".join(lines) + "\n"


def capacity_json(found: Capacity, title: str, factor: float | None) -> dict[str, Any]:
    """The same for programs: every number in SI base units."""
    return {
        "schema": SCHEMA,
        "title": title,
        "fits": found.fits,
        "bottleneck": found.bottleneck.what,
        "unknown": list(found.unknown),
        "costs_factor": factor,
        **msgspec.to_builtins(found),
    }


def _rows(found: Capacity, costs_from: str) -> Iterator[tuple[str, str]]:
    for place, group in enumerate(found.demand.groups):
        yield "" if place else "load", _group(group)
    for text in found.unknown:
        yield (
            "not known",
            f"{text}; counted as nothing: say --pushes RATE, or --like RUN with a run of it that was made",
        )
    yield "needs", _answer(found)
    for text in _remedies(found):
        yield "", text
    yield "because", _limit(found.bottleneck)
    yield "", ""
    for place, bound in enumerate(found.bounds):
        yield "" if place else "counted", _bound(bound)
    yield "", ""
    yield (
        "one",
        (
            f"process here can play {found.clients_of_process:,} clients of this load at {BUSY:.0%} of a core; this "
            f"machine {found.clients_of_machine:,} at {MACHINE_BUSY:.0%} of {found.machine.cores:g} cores"
        ),
    )
    yield (
        "keeps",
        f"{show(found.recorded_per_s, 'bytes')}/s in the run's folder, {show(found.recorded, 'bytes')} in all",
    )
    yield "scores", f"with {show(found.scoring_bytes, 'bytes')} of memory, {show(found.scoring_s, 's')} of CPU"
    yield "costs", costs_from


def _group(group: GroupDemand) -> str:
    parts = [f"{group.name}: {group.clients:,} clients"]
    if group.requests_per_s:
        parts.append(f"{group.requests_per_s:,.0f} {'HTTP requests' if group.by_http else 'requests'}/s")
    if group.pushes_per_s:
        parts.append(f"{group.pushes_per_s:,.0f} pushes/s")
    parts.append(f"{group.connects_per_s:,.0f} connections/s at first, {group.clients / group.back_s:,.0f}/s to return")
    return ", ".join(parts)


def _answer(found: Capacity) -> str:
    machines = "on one machine like this" if found.machines == 1 else f"on {found.machines:,} machines like this"
    processes = "1 load process" if found.processes == 1 else f"{found.processes:,} load processes"
    return f"{processes} {machines}"


def _remedies(found: Capacity) -> Iterator[str]:
    written = max(group.workers for group in found.demand.groups)
    if found.machines > 1:
        how = f"`fleet: {{ray: {{workers: {found.processes}}}}}`"
        nodes = f"{found.machines:,} nodes like this of a Ray cluster, with {how}"
        if found.demand.on_cluster:
            yield f"that is at least {nodes}"
        else:
            yield f"this machine is too small: {found.bottleneck.remedy}, or fewer `clients`, or {nodes}"
    elif written != found.processes:
        word = "enough" if written > found.processes else "too few"
        yield f"the experiment has `workers: {written}`, which is {word}" + (
            "" if word == "enough" else f"; write `workers: {found.processes}`"
        )
    if not found.can_score:
        yield (
            f"the run could not be scored here: that takes {show(found.scoring_bytes, 'bytes')} of memory; fewer "
            "`requests`, or shorter phases"
        )
    if found.addresses > found.sources:
        yield (
            f"{found.addresses:,} source addresses, and the experiment has {found.sources:,}: name them in "
            "`source_addresses` (on loopback `127.0.0.0/24` has 254)"
        )


def _limit(bound: Bound) -> str:
    return f"{bound.what}, {_share(bound)}: {bound.made_of}" + (f"; {bound.remedy}" if bound.wanted > 1 else "")


def _bound(bound: Bound) -> str:
    plurals = {"process": "processes", "machine": "machines", "address": "addresses"}
    many = f"{bound.wanted:,} {bound.per if bound.wanted == 1 else plurals[bound.per]}"
    return f"{many} by {bound.what}, {_share(bound)}"


def _share(bound: Bound) -> str:
    return f"{_amount(bound, bound.needed)} of {_amount(bound, bound.has)}"


def _amount(bound: Bound, value: float) -> str:
    match bound.unit:
        case "cores":
            return f"{value:.3g} core{'' if value == 1 else 's'}"
        case "bytes":
            return show(value, "bytes")
        case _:
            return f"{value:,.0f}"
