"""From a history to its picture, and what must hold between the picture of any run and its score."""

from __future__ import annotations

from collections.abc import Iterator

from chaosrun.charts.draw import draw
from chaosrun.charts.picture import GroupPicture, Heat, Losses, Picture, Waterfall
from chaosrun.judge import Assessed, assess
from chaosrun.records import Began, History
from chaosrun.scoring.evidence import GroupEvidence
from chaosrun.scoring.recovery import Episode
from chaosrun.scoring.result import GroupReport


def assessed(history: History) -> Assessed:
    return assess(history, Began(t=0, run="x", chaosrun_version="1", title="t", plan=history.plan))


def drawn(history: History) -> Picture:
    run = assessed(history)
    return draw(run.evidence, run.result)


def disagreements(run: Assessed, picture: Picture) -> list[str]:
    """What the picture tells otherwise than the result, in words."""
    history = run.evidence.history
    wrong: list[str] = []
    if picture.end != round(history.end / 1e9, 4):
        wrong.append("end")
    wrong += _of_marks(run, picture)
    for group, own in zip(run.evidence.groups, picture.groups, strict=True):
        report = run.result.groups[own.name]
        wrong += [f"{own.name}: {what}" for what in _of_group(run, group, own, report, picture.end)]
    return wrong


def _of_marks(run: Assessed, picture: Picture) -> Iterator[str]:
    def near(kind: str, told: list[float]) -> bool:
        shown = sorted(mark.t for mark in picture.marks if mark.kind == kind)
        return len(shown) == len(told) and all(abs(a - b) <= 0.0001 for a, b in zip(shown, sorted(told), strict=True))

    episodes = run.result.recovery.episodes
    if not near("impact", [e.impact_s for e in episodes if e.impact_s is not None]):
        yield "marks of impacts"
    if not near("recovered", [e.recovered_s for e in episodes if None not in (e.recovered_s, e.impact_s)]):
        yield "marks of recoveries"
    if not near("fault", [f.call_s for f in run.result.faults if f.call_s is not None]):
        yield "marks of faults"
    if [mark.t for mark in picture.marks] != sorted(mark.t for mark in picture.marks):
        yield "marks out of order"


def _of_group(run: Assessed, group: GroupEvidence, own: GroupPicture, report: GroupReport, end: float) -> Iterator[str]:
    ribbon, history = own.ribbon, run.evidence.history
    rows = zip(ribbon.planned, ribbon.usable, ribbon.degraded, ribbon.down, strict=True)
    if any(planned != usable + degraded + down or min(usable, degraded, down) < 0
           for planned, usable, degraded, down in rows):  # fmt: skip
        yield "a row of the ribbon does not add up"
    if any(b <= a for a, b in zip(ribbon.t, ribbon.t[1:], strict=False)) or ribbon.t[0] != 0:
        yield "the ribbon's times do not rise"
    if abs(ribbon.lost_client_seconds - group.timeline.lost_client_ns(0, history.end) / 1e9) > 1e-6:
        yield "lost client-seconds"
    if max(ribbon.usable_max) > report.clients.peak_usable:
        yield "more usable than there were"
    if own.heat is not None:
        yield from _of_heat(group, own.heat)
    yield from _of_losses(own.losses, report)
    episodes = run.evidence.recovery.episodes if run.evidence.recovery else ()
    for waterfall in own.waterfalls:
        yield from _of_waterfall(waterfall, episodes[waterfall.episode], group)
    clients, attempts = report.clients, own.attempts
    if (sum(attempts.begun), sum(attempts.refused)) != (clients.attempts, clients.refused):
        yield "attempts"
    if len(run.evidence.groups) == 1 and run.evidence.recovery:
        for index, episode in enumerate(episodes):
            shown = [each.affected for each in own.waterfalls if each.episode == index]
            if sum(shown) != episode.back.affected:
                yield f"affected clients of episode {index}"
    requests = report.messages.requests
    if abs(sum(own.rates.due) * own.rates.step - requests.due) > 0.001 * max(1, len(own.rates.due)):
        yield "requests due"
    push = report.messages.push
    if push is not None and abs(sum(own.rates.pushes) * own.rates.step - push.received) > 1:
        yield "messages received"  # each carries one number in the histories that are drawn here


def _of_heat(group: GroupEvidence, heat: Heat) -> Iterator[str]:
    window = group.requests_in(0, group.history.end)
    assert window is not None
    corrected, uncorrected = _by_column(heat, heat.corrected), _by_column(heat, heat.uncorrected)
    columns = zip(heat.due, corrected, uncorrected, heat.censored, heat.unanswered, heat.left_out, strict=True)
    if any(not due == c + censored + out == u + unanswered + out for due, c, u, censored, unanswered, out in columns):
        yield "a column of the heat map does not add up"
    told = (window.ledger.due, window.response.count, window.censored, window.service.count)
    if (sum(heat.due), sum(corrected), sum(heat.censored), sum(uncorrected)) != told:
        yield f"counts of the heat map: {told}"
    for columns_max, histogram in (
        (heat.corrected_max_ms, window.response),
        (heat.uncorrected_max_ms, window.service),
    ):
        shown = max((each for each in columns_max if each is not None), default=None)
        if (shown is None) != (histogram.max is None) or (
            histogram.max is not None and shown != round(histogram.max / 1e6, 3)
        ):
            yield f"the longest wait: {shown}"
    for cells, longest in ((heat.corrected, heat.corrected_max_ms), (heat.uncorrected, heat.uncorrected_max_ms)):
        top = {column: row for column, row, _ in sorted(cells)}
        for column, wait in enumerate(longest):
            if (wait is None) != (column not in top) or (wait is not None and not _holds(heat, top[column], wait)):
                yield f"column {column} has its longest wait in no cell"


def _holds(heat: Heat, row: int, wait: float) -> bool:
    above = heat.rows_ms[row + 1] if row + 1 < len(heat.rows_ms) else float("inf")
    return heat.rows_ms[row] <= wait + 0.001 and wait <= above + 0.001


def _by_column(heat: Heat, cells: list[tuple[int, int, int]]) -> list[int]:
    counts = [0] * heat.columns
    for column, row, count in cells:
        assert 0 <= row < len(heat.rows_ms)
        assert count > 0
        counts[column] += count
    return counts


def _of_losses(losses: Losses, report: GroupReport) -> Iterator[str]:
    shown = {(each.of, each.name): sum(each.counts) + each.not_placed for each in losses.classes}
    requests, push = report.messages.requests, report.messages.push
    for name in ("skipped_disconnected", "skipped_observer", "replied_late", "replied_error", "lost_connected",
                 "lost_at_break", "in_flight_at_end"):  # fmt: skip
        if shown.pop(("requests", name), 0) != getattr(requests, name):
            yield f"{name} of requests"
    for name in ("lost_connected", "missed_disconnected", "replayed", "tail", "conflated", "in_flight_at_end"):
        told = 0 if push is None else getattr(push, name) or 0
        if shown.pop(("pushes", name), 0) != told:
            yield f"{name} of pushes: {told}"
    if shown:
        yield f"losses of no class: {shown}"
    if losses.not_placed != sum(each.not_placed for each in losses.classes):
        yield "not placed"


def _of_waterfall(waterfall: Waterfall, episode: Episode, group: GroupEvidence) -> Iterator[str]:
    """Where the episode hit one group only, or all of its clients are of this one."""
    falls = waterfall.falls
    usable = [fall.usable for fall in falls if fall.usable is not None]
    if usable != sorted(usable) or any(fall.usable is not None for fall in falls[len(usable) :]):
        yield "the waterfall is not in order of return"
    if len(falls) == waterfall.affected and len(falls) - len(usable) != waterfall.never:
        yield "those that never came back"
    back = episode.back
    if back.affected == waterfall.affected and usable and episode.reference is not None:
        for told, shown in ((back.first, usable[0]), (back.all, usable[-1])):
            if told is not None and abs(max(0.0, shown - episode.reference / 1e9) - told / 1e9) > 0.0001:
                yield f"back: {told} {shown}"
    for fall in falls:
        steps = [t for t in (fall.reconnecting, fall.connected, fall.usable) if t is not None]
        if steps != sorted(steps) or ((fall.cause == "kept") and fall.attempts):
            yield f"client {fall.client} goes back in time"
