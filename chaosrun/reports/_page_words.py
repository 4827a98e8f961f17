"""What the charts of the page say in words: names of causes and classes, and a sentence with the numbers of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

from chaosrun.charts.picture import (
    Attempts,
    Heat,
    Losses,
    ObserverPicture,
    Rates,
    Ribbon,
    RolePicture,
    Waterfall,
)
from chaosrun.reports._story import counted
from chaosrun.scoring.words import show

NO_VALUE: Final = "\N{EN DASH}"
"""Stands where nothing is known."""

CLASSES: Final = {
    "lost_connected": "lost while connected",
    "lost_at_break": "reply lost at the break",
    "skipped_disconnected": "not sent, disconnected",
    "skipped_observer": "not sent by us",
    "late_observer": "sent late by us",
    "replied_late": "late",
    "replied_error": "error reply",
    "in_flight_at_end": "in flight at the end",
    "missed_disconnected": "missed while away",
    "replayed": "replayed",
    "tail": "lost at the end",
    "conflated": "conflated",
}
CAUSES: Final = {
    "kept": "kept its connection",
    "sessionless": "asks by HTTP",
    "rst": "reset",
    "fin": "end of stream",
    "close": "close frame",
    "ping_timeout": "no answer to a ping",
    "deadline": "gave up waiting",
    "protocol": "broken protocol",
    "unread": "service did not read",
    "ours": "closed by us",
    "injected": "closed by the fault",
    "other": "other",
}


def told(name: str) -> str:
    """A class or a cause as a person would say it; `close(1012)` stays recognisable."""
    if name in CLASSES or name in CAUSES:
        return (CLASSES | CAUSES)[name]
    base, bracket, rest = name.partition("(")
    return f"{CAUSES.get(base, base.replace('_', ' '))}{bracket and ' (' + rest}"


def of_ribbon(ribbon: Ribbon) -> str:
    if not ribbon.t or not max(ribbon.planned):
        return "No client was planned."
    most = max(ribbon.planned)
    whole = [i for i, planned in enumerate(ribbon.planned) if planned == most]
    worst = min(whole, key=lambda i: ribbon.usable[i])
    lost = f"{show(ribbon.lost_client_seconds, 'count')} client-seconds were lost in the whole run"
    if ribbon.usable[worst] == most:
        return f"All {counted(most, 'planned client')} stayed usable; {lost}."
    return (
        f"Of {counted(most, 'planned client')} at fewest {ribbon.usable[worst]:,} were usable, "
        f"at {show(ribbon.t[worst], 's')}; {lost}."
    )


def of_heat(heat: Heat) -> str:
    corrected, uncorrected = _highest(heat.corrected_max_ms), _highest(heat.uncorrected_max_ms)
    due = sum(heat.due)
    if not due:
        return "No request was due."
    limit = "" if heat.latency_limit_ms is None else f" (limit {_ms(heat.latency_limit_ms)})"
    waited = "no wait was seen to end" if corrected is None else f"users waited at most {_ms(corrected)}{limit}"
    served = "no reply came" if uncorrected is None else f"counted from the send, at most {_ms(uncorrected)}"
    censored, unanswered = sum(heat.censored), sum(heat.unanswered)
    return (
        f"Of {counted(due, 'request')} {waited}; {served}. "
        f"{unanswered:,} had no reply of their own, and in {censored:,} the user was still waiting at the end."
    )


def of_waterfalls(waterfalls: Sequence[Waterfall]) -> str:
    return " ".join(_waterfall(waterfall, len(waterfalls) > 1) for waterfall in waterfalls) or "No client was affected."


def _waterfall(waterfall: Waterfall, several: bool) -> str:
    falls = waterfall.falls
    which = f"Episode {waterfall.episode + 1}: " if several else ""
    back = [fall.usable for fall in falls if fall.usable is not None]
    first = min((fall.lost for fall in falls), default=None)
    if first is None:
        return f"{which}No client was affected."
    told_back = f"; the first was back at {show(min(back), 's')}, the last at {show(max(back), 's')}" if back else ""
    causes = ", ".join(f"{told(cause)} {count:,}" for cause, count in causes_of([waterfall]).most_common(4))
    sample = f" (of {len(falls):,} shown)" if len(falls) < waterfall.affected else ""
    return (
        f"{which}{counted(waterfall.affected, 'client')} affected, the first at {show(first, 's')}{told_back}; "
        f"{waterfall.never:,} never came back. How connections ended{sample}: {causes}."
    )


def causes_of(waterfalls: Iterable[Waterfall]) -> Counter[str]:
    return Counter(fall.cause for waterfall in waterfalls for fall in waterfall.falls)


def of_attempts(attempts: Attempts) -> str:
    peak = max(attempts.begun, default=0) / attempts.step
    return (
        f"{counted(sum(attempts.begun), 'connection attempt')}, at most {show(peak, '1/s')}: "
        f"{sum(attempts.opened):,} opened, {sum(attempts.refused):,} failed."
    )


def of_losses(losses: Losses) -> str:
    said = [
        f"{sum(each.counts):,} {'requests' if each.of == 'requests' else 'pushed copies'} {told(each.name)}"
        for each in losses.classes
    ]
    apart = f" {losses.not_placed:,} lost copies cannot be placed in time." if losses.not_placed else ""
    return (f"{', '.join(said)}." if said else "Nothing was lost.") + apart


def of_rates(rates: Rates) -> str:
    due, good, pushes = (max(series, default=0.0) for series in (rates.due, rates.good, rates.pushes))
    heard = f"; at most {show(pushes, '1/s')} pushed messages" if pushes else ""
    return f"At most {show(due, '1/s')} requests were due and {show(good, '1/s')} answered well{heard}."


def of_roles(roles: Sequence[RolePicture]) -> str:
    said = [
        f"{role.name} at most {cpu:.0f}% of a core and {show(memory, 'bytes')}"
        for role in roles
        if (cpu := _highest(role.cpu_percent)) is not None and (memory := _highest(role.memory_bytes)) is not None
    ]
    return f"{'; '.join(said)}." if said else "No CPU or memory was sampled."


def of_observer(observer: ObserverPicture) -> str:
    lag, lateness = _highest(observer.lag_max_ms), _highest(observer.lateness_max_ms)
    said = [] if lag is None else [f"its event loop was at most {_ms(lag)} late"]
    said += [] if lateness is None else [f"its sends at most {_ms(lateness)}"]
    stolen = _highest(observer.stolen_percent)
    said += [] if stolen is None else [f"at most {stolen:.1f}% of the CPU was taken away by the machine"]
    out = sum(band.end - band.start for band in observer.excluded)
    left = f" {show(out, 's')} in {counted(len(observer.excluded), 'stretch', 'stretches')} left out." if out else ""
    if not said:
        return f"Nothing was recorded of it.{left}"
    text = ", ".join(said)
    return f"{text[:1].upper()}{text[1:]}.{left}"


def _highest(values: Iterable[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)


def _ms(value: float) -> str:
    return show(value / 1000, "s")
