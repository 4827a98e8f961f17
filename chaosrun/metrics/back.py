"""`back_first`, `back_50`, `back_90`, `back_99`, `back_all`: until so many of the affected were usable again."""

from __future__ import annotations

from functools import partial

from chaosrun.metrics._recovery import NOT_HIT, episode_metric, lasting
from chaosrun.scoring.recovery import Episode
from chaosrun.scoring.verdict import Reading, above, vacuous

_WORDS = {"first": "the first", "all": "all"}
_MEMBERS = {"first": "first", "50": "p50", "90": "p90", "99": "p99", "all": "all"}


def read(field: str, episode: Episode) -> Reading | None:
    """Vacuous if nobody was affected; without end if too many never came back."""
    if episode.back.affected == 0:
        # Without impact this holds only if the fault could have had one.
        return vacuous(NOT_HIT) if episode.absorbed or episode.impact is not None else None
    value: int | None = getattr(episode.back, field)
    if value is not None:
        return lasting(value, episode.back.errors.get(field))
    since = episode.fault_start if episode.reference is None else episode.reference
    never = f"{episode.back.never} of {episode.back.affected} affected clients never came back"
    return above(max(0, episode.end - since) / 1e9, never)


METRICS = tuple(
    metric
    for member, field in _MEMBERS.items()
    for metric in episode_metric(
        f"back_{member}",
        f"until {_WORDS.get(member, member + '%')} of the affected clients had become usable again",
        partial(read, field),
        # More clients that count as affected, and are back at once, bring every share of them but all nearer.
        slow_is_worse=member == "all",
        at_worst=partial(read, _MEMBERS["all"]),
    )
)
