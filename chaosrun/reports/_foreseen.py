"""What a run would do, on a page for people: what `--dry-run` prints, and what is shown before a yes is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import wrap
from typing import Final

from chaosrun.foreseen import Fault, Foreseen, Load, Machine, Phase, Role
from chaosrun.reports._safe_text import clean
from chaosrun.scoring.words import show

_LABEL: Final = 12
"""Columns of the left one, so that the whole page shares one edge."""

_Row = tuple[str, str]


def render_foreseen(foreseen: Foreseen, *, width: int = 100) -> str:
    """The page as text. What comes of files and of the machine is in it with its control characters spelt out."""
    lines = [
        *_wrapped(clean(foreseen.title), width),
        *_wrapped("dry run: nothing was started and nothing was touched", width),
        "",
    ]
    for label, text in _rows(foreseen):
        first = label.ljust(_LABEL)
        wrapped = _wrapped(clean(text), width - _LABEL) if text else [""]
        lines += [f"{first if number == 0 else ' ' * _LABEL}{line}".rstrip() for number, line in enumerate(wrapped)]
    return "\n".join(lines) + "\n"


def _wrapped(text: str, width: int) -> list[str]:
    return wrap(text, max(20, width), break_on_hyphens=False)


def _rows(foreseen: Foreseen) -> Iterator[_Row]:
    profile = f", profile {foreseen.profile}" if foreseen.profile is not None else ""
    series = f"; {foreseen.repeat} runs of it, one after the other" if foreseen.repeat > 1 else ""
    yield "experiment", f"{foreseen.experiment}{profile}{series}"
    yield "target", foreseen.target
    if foreseen.proxy is not None:
        yield "proxy", f"load and prober go through a Toxiproxy: {foreseen.proxy}"
    yield from _labelled("reaches", [_machine(each) for each in foreseen.machines])
    yield from _labelled("load", [*map(_load, foreseen.load), _prober(foreseen)])
    if foreseen.played:
        yield "", f"played {foreseen.played}"
    yield from _labelled("roles", [line for role in foreseen.roles for line in _role(role)])
    yield "phases", ", ".join(map(_phase, foreseen.phases))
    yield "", "not steady in the baseline: it ends there, and no fault is injected"
    if foreseen.longest_s is not None:
        yield "", f"ended at the latest after {_s(foreseen.longest_s)}"
    for number, fault in enumerate(foreseen.faults, 1):
        yield from _fault(f"fault {number}", fault)
    for number, fault in enumerate(foreseen.rollbacks, 1):
        yield from _fault(f"rollback {number}", fault)
    if not foreseen.faults:
        yield "", ""
        yield "faults", "none: a load test"
    yield "", ""
    stops = [f"{guard}: every fault is undone at once, and the run ends" for guard in foreseen.guards]
    yield from _labelled("stop_when", stops)
    if foreseen.against is not None:
        yield "against", foreseen.against
    yield "keeps", f"{foreseen.reports}/, for its owner's eyes only"
    needs = [f"{each.state}: {each.name}: {each.found} (for {each.needed_for})" for each in foreseen.needs]
    yield from _labelled("needs", needs)
    yield "", ""
    yield "so", _verdict(foreseen)


def _labelled(label: str, texts: list[str]) -> Iterator[_Row]:
    """The first with the label, the others below it."""
    for number, text in enumerate(texts):
        yield (label if number == 0 else ""), text


def _machine(machine: Machine) -> str:
    other = "ANOTHER MACHINE" if machine.is_hit else "another machine, which is only asked how it is"
    which = "this machine" if machine.is_this else f"{other}, allowed by the target"
    return f"{machine.host}: {which} ({', '.join(machine.because)})"


def _load(load: Load) -> str:
    rate = "only listening" if load.requests_per_s is None else f"{load.requests_per_s:g} requests/s in all"
    said = f"{load.group}: {load.clients:,} clients of {load.protocol}, {rate}, ramp {_s(load.ramp_s)}"
    return "; ".join((said, *load.ways))


def _prober(foreseen: Foreseen) -> str:
    return (
        f"prober: an echo every {_s(foreseen.probe_every_s)}, a fresh connection every {_s(foreseen.connect_every_s)}"
    )


def _role(role: Role) -> Iterator[str]:
    if role.is_ours:
        yield f"{role.name}: {role.what}; the run starts and ends it"
        return
    yield f"{role.name}: {role.what}"
    yield from (f"  now {each}" for each in role.found)
    if role.refused is not None:
        yield "  NOT AS IT MUST BE, see below"


def _phase(phase: Phase) -> str:
    if phase.planned_s is None:
        return f"{phase.name} until all is ready"
    return f"{phase.name} {'up to ' if phase.at_most else ''}{_s(phase.planned_s)}"


def _fault(label: str, fault: Fault) -> Iterator[_Row]:
    yield "", ""
    yield label, fault.name if fault.name == fault.kind else f"{fault.name}: {fault.kind}"
    yield from _labelled("  hits", list(_hits(fault)))
    if fault.keys != "{}":
        yield "  by", fault.keys
    yield "  when", _when(fault)
    yield "  confirmed", fault.confirmed
    if fault.undone is not None:
        yield "  undone", fault.undone
    elif fault.refused is None:
        yield "  undone", "how is known when the run has started what it hits"


def _hits(fault: Fault) -> Iterator[str]:
    yield from fault.hits
    if fault.refused is not None:
        yield "CANNOT BE DONE NOW, see below"
    elif not fault.hits:
        yield f"what is role {fault.role!r} by then" if fault.role is not None else "known when the run has begun"


def _when(fault: Fault) -> str:
    begins = "when all else is over" if fault.begins_s is None else f"{_s(fault.begins_s)} after the method began"
    waves = f", {fault.times} times, every {_s(fault.every_s)}" if fault.times > 1 else ""
    if not fault.is_sustained:
        return f"{begins}{waves}"
    return f"{begins}, " + ("until the method ends" if fault.for_s is None else f"for {_s(fault.for_s)}")


def _verdict(foreseen: Foreseen) -> str:
    if foreseen.refused:
        return "it could not run now: " + "; ".join(each.split("\n")[0] for each in foreseen.refused)
    asked = "; it reaches another machine: without a terminal to ask on, say --yes" if foreseen.is_asked_about else ""
    return f"it could run now{asked}"


def _s(seconds: float) -> str:
    return show(seconds, "s")
