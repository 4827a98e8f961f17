"""What was lost, by class and by when it was due or published."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from chaosrun.charts.bins import Bins, seconds
from chaosrun.charts.picture import Loss, Losses
from chaosrun.charts.publishing import Course, Feeds
from chaosrun.records import REQUESTS
from chaosrun.scoring.evidence import GroupEvidence
from chaosrun.scoring.outcomes import Fate
from chaosrun.scoring.steps import Steps

_OF_PUSHES = ("lost_connected", "missed_disconnected", "replayed", "tail", "conflated", "in_flight_at_end")


def draw_losses(group: GroupEvidence, feeds: Feeds, bins: Bins) -> Losses:
    """The loss strip of a group, with the numbers of its busiest channel."""
    classes = [*_of_requests(group, bins), *_of_pushes(group, feeds, bins)]
    channel, sequence = _sequence(feeds.courses, bins)
    return Losses(
        start=0.0,
        step=seconds(bins.step),
        classes=classes,
        sequence=sequence,
        channel=channel,
        not_placed=sum(each.not_placed for each in classes),
    )


def _of_requests(group: GroupEvidence, bins: Bins) -> Iterator[Loss]:
    counts: dict[Fate, list[int]] = {}
    for outcome in group.timeline.requests.outcomes:
        if outcome.kind in REQUESTS and outcome.fate is not Fate.REPLIED_IN_TIME:
            counts.setdefault(outcome.fate, bins.zeros())[bins.of(outcome.due)] += 1
    for fate in Fate:
        if fate in counts:
            yield Loss(name=fate.value, of="requests", counts=counts[fate])


def _of_pushes(group: GroupEvidence, feeds: Feeds, bins: Bins) -> Iterator[Loss]:
    for name in _OF_PUSHES:
        if group.pushes is None or not getattr(group.pushes.ledger, name):
            continue  # `replayed` is None where it cannot be told from what came live
        counts = bins.zeros()
        not_placed = sum(_place(course, name, counts) for course in feeds.courses)
        yield Loss(name=name, of="pushes", counts=counts, not_placed=not_placed)


def _place(course: Course, name: str, counts: list[int]) -> int:
    """Count the copies of one class in their bins; how many have no place."""
    sets = (getattr(score.copies, name) for score in course.accounts)
    copies = Steps.counting((first, last + 1) for numbers in sets for first, last in numbers)
    if not copies.times:
        return 0
    pieces = copies.pieces(copies.times[0], copies.times[-1])
    return sum(course.place(first, end - 1, many, counts) for first, end, many in pieces if many)


def _sequence(courses: Sequence[Course], bins: Bins) -> tuple[str | None, list[tuple[int, int] | None]]:
    """Of the channel with most messages; where two epochs meet in a bin, the later one's numbers."""
    messages: Counter[tuple[str, str]] = Counter()
    of_channel: defaultdict[tuple[str, str], list[Course]] = defaultdict(list)
    for course in courses:
        if course.shared:
            key = course.accounts[0].channel, course.accounts[0].stream
            messages[key] += sum(len(score.copies.live) + len(score.copies.replayed) for score in course.accounts)
            of_channel[key].append(course)
    numbers: list[tuple[int, int] | None] = [None] * bins.count
    if not messages:
        return None, numbers
    busiest = max(sorted(messages), key=lambda key: messages[key])
    for course in of_channel[busiest]:
        for i, those in enumerate(course.numbers()):
            numbers[i] = those or numbers[i]
    return busiest[0], numbers
