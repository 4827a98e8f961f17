"""From `stop_when` of an experiment to the guards of its run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit, urlunsplit

from chaosrun.guards.guard import Burn, Endpoint, For, Guard, Limit, OfLoad, OfRole
from chaosrun.guards.sight import OF_ROLE
from chaosrun.registry import load
from chaosrun.spec.guard import Guard as Written
from chaosrun.spec.secret import reveal
from chaosrun.spec.units import format_duration
from chaosrun.spec.userinfo import authorized


def make_guards(entries: Sequence[Written]) -> list[Guard]:
    """The guards in the order of the entries, which are known to be right."""
    return [_made(entry) for entry in entries]


def _made(entry: Written) -> Guard:
    how = _how(entry)
    if entry.http is not None:
        sight = _endpoint(entry, entry.http)
        return Guard(f"{_answering(sight)} {_lasting(how, entry)}", sight, how)
    assert entry.metric is not None
    limits = {key: limit.value for key, limit in entry.limits().items()}
    return Guard(
        written=" ".join([*_beyond(entry), _lasting(how, entry)]),
        sight=_seen(entry, entry.metric),
        how=how,
        limit=Limit(**limits) if limits else None,
        unit=load("metrics", entry.metric).unit,
    )


def _seen(entry: Written, metric: str) -> OfLoad | OfRole:
    if metric in OF_ROLE:
        assert entry.role is not None
        return OfRole(metric, entry.role, of_machine=entry.of == "machine")
    return OfLoad(metric, entry.group)


def _how(entry: Written) -> For | Burn:
    if entry.burn is not None:
        return Burn(entry.burn.share, entry.burn.long, entry.burn.short_ns)
    return For(entry.for_ns, entry.failures or 1)


def _endpoint(entry: Written, url: str) -> Endpoint:
    wanted = entry.expect
    address, headers = authorized(reveal(url), ((name, reveal(text)) for name, text in entry.headers.items()))
    return Endpoint(
        url=address,
        shown=urlunsplit(urlsplit(authorized(url, ())[0])._replace(query="", fragment="")),
        statuses=wanted.status if wanted is not None else (),
        contains=wanted.contains if wanted is not None else None,
        lacks=wanted.lacks if wanted is not None else None,
        headers=dict(headers),
        every_ns=entry.every,
        timeout_ns=entry.timeout,
    )


# ---- in words -------------------------------------------------------------------------------------------------------


def _beyond(entry: Written) -> Iterator[str]:
    yield str(entry.metric)
    of = entry.group or entry.role
    if of:
        yield f"of {of}"
    for side, limit in entry.limits().items():
        yield f"{side} {limit.written}"


def _lasting(how: For | Burn, entry: Written) -> str:
    if isinstance(how, Burn):
        what = "requests" if not entry.limits() and entry.metric is not None else "time"
        windows = f"{format_duration(how.long_ns)} and of {format_duration(how.short_ns)}"
        return f"for {how.share * 100:g}% of the {what} of {windows}"
    times = f"{entry.failures} times in a row" if entry.failures is not None else ""
    span = f"for {format_duration(how.for_ns)}" if how.for_ns else ""
    return " and ".join(part for part in (times, span) if part)


def _answering(endpoint: Endpoint) -> str:
    asked = [" or ".join(map(str, endpoint.statuses)) or "2xx"]
    if endpoint.contains is not None:
        asked.append(f"with {endpoint.contains!r}")
    if endpoint.lacks is not None:
        asked.append(f"without {endpoint.lacks!r}")
    return f"{endpoint.shown} not answering {' '.join(asked)}"
