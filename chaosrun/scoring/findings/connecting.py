"""Attempts that failed though no outage explains it: turned away, shed, or too slow to be let in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import partial
from statistics import median
from typing import Final

from chaosrun.records import NONE, Attempt, Opened, Refused
from chaosrun.scoring.connections import refusal
from chaosrun.scoring.findings._rule import TIMES, Rule, Seen, Told, seconds, several, share
from chaosrun.scoring.phases import injections
from chaosrun.scoring.recovery import Episode
from chaosrun.scoring.steps import Interval

_MS: Final = 1_000_000
_SHED: Final = (429, 503)
"""Statuses by which a server says that it has had enough: RFC 6585 and RFC 9110. Over WebSocket it is close 1013."""
_WAVE_NS: Final = 100 * _MS
_LEAST_WAVE: Final = 20
_SLOW_NS: Final = 500 * _MS
_LEAST_CLIENTS: Final = 3
"""One client's trouble is its own."""


def outages(seen: Seen) -> list[Interval]:
    """From each fault to its end, or to when the service was seen to be ready without it: who gets in then is luck."""
    end = seen.history.end
    spans = [(each.called, end if each.removed is None else each.removed) for each in injections(seen.history)]
    return spans + [(each.fault_start, ready_after(each)) for each in seen.episodes if each.impact is not None]


def ready_after(episode: Episode) -> int:
    """When the prober was let in again with the fault gone; the end of the episode if it never was."""
    if episode.server_ready is None or episode.reference is None:
        return episode.end
    return max(episode.server_ready, episode.reference)


def until(episode: Episode) -> int:
    """Its recovery; the end of its observation if there was none."""
    return episode.end if episode.recovered is None else episode.recovered


def _in_peace(seen: Seen, g: int) -> list[Refused]:
    """Refusals of a group outside of outages, by when the attempt began.

    What an overrun service does belongs to the return as long as that lasts.
    """
    spans = outages(seen)
    returns = [(each.fault_start, until(each)) for each in seen.episodes if each.impact is not None]
    began = _beginnings(seen, g)
    return [
        line
        for line in seen.history.refused
        if line.g == g
        and not any(a <= began.get((line.c, line.t), line.t) < b for a, b in spans + returns * (line.why in _OVERRUN))
    ]


def _beginnings(seen: Seen, g: int) -> dict[tuple[int, int], int]:
    """By client and end, when each attempt that failed had begun."""
    return seen.once(("beginnings", g), partial(_find_beginnings, seen, g))


def _find_beginnings(seen: Seen, g: int) -> dict[tuple[int, int], int]:
    last: dict[int, int] = {}
    found: dict[tuple[int, int], int] = {}
    lines: list[Attempt | Opened | Refused] = [line for line in seen.history.attempts if line.g == g]
    lines += [line for line in seen.history.opened if line.g == g]
    lines += [line for line in seen.history.refused if line.g == g]
    for line in sorted(lines, key=lambda line: (line.t, not isinstance(line, Attempt))):
        if isinstance(line, Attempt):
            last[line.c] = line.t
        elif (began := last.pop(line.c, None)) is not None and isinstance(line, Refused):
            found[line.c, line.t] = began
    return found


# ---- said no --------------------------------------------------------------------------------------------------------

_TURNED_AWAY: Final = {
    "conversation": "Check accounts, tokens and channels of the group: the service shook hands and then said no.",
    "http": "Check path, headers and credentials, and the service's limit of connections: it refused the handshake.",
    "tls": "Check the certificate of the service, and that its port speaks TLS.",
    "dns": "Check the host's name in the target's `url`.",
    "proxy": "Look at the HTTP proxy, not at the service: does it know the user (407), may it connect to that host and "
    "port (403), and can it (502, 503, 504)?",
    "timeout": "Look for a full accept queue or a blocked loop in the service: its handshake came too late.",
}
"""Refusals that no outage explains, and what to do about each."""


def _turned_away(seen: Seen) -> Iterator[Told]:
    for g, group in enumerate(seen.history.plan.groups):
        peaceful = _in_peace(seen, g)
        for why, action in _TURNED_AWAY.items():
            lines = [line for line in peaceful if line.why == why and not _is_shed(line)]
            if lines:
                yield Told(
                    "warning",
                    f"Clients of {group.name} were turned away ({why})",
                    f"{several(len(lines), 'attempt')} of {several(len({line.c for line in lines}), 'client')}: "
                    f"{_said(lines)}",
                    action,
                )


def _shed(seen: Seen) -> Iterator[Told]:
    for g, group in enumerate(seen.history.plan.groups):
        lines = [line for line in _in_peace(seen, g) if _is_shed(line)]
        spans = outages(seen)
        cut = [
            line
            for line in seen.history.closed
            if line.g == g and line.code == 1013 and not any(a <= line.t < b for a, b in spans)
        ]
        if lines or cut:
            clients = {line.c for line in lines} | {line.c for line in cut}
            closed = f"; {several(len(cut), 'open connection')} closed with 1013 (try again later)" if cut else ""
            yield Told(
                "warning",
                f"The service sheds load of {group.name}",
                f"{several(len(lines), 'attempt')} refused, of {share(len(clients), group.clients)} clients"
                f"{': ' + _said(lines) if lines else ''}{closed}; no fault was in force",
                "Compare its limit of connections or of new ones per second with the clients that it must take back "
                "at once. If it is meant to shed, let it say when to come again (Retry-After), and clients heed it.",
            )


def _is_shed(line: Refused) -> bool:
    return (line.why == "http" and line.status in _SHED) or (line.why == "conversation" and "1013" in line.detail)


def _said(lines: list[Refused]) -> str:
    said = Counter(line.detail or refusal(line) for line in lines)
    return ", ".join(f"{text} ({several(count, 'time')})" for text, count in said.most_common(3))


def _any_certificate(seen: Seen) -> Iterator[Told]:
    for group in seen.history.plan.groups:
        if group.takes_any_certificate:
            yield Told(
                "warning",
                f"The clients of {group.name} took any certificate",
                "`tls: {verify: false}`: nobody looked whether the service is whom its address names, or whether its "
                "certificate has expired",
                "Name the certificate of the CA that signed it as `tls: {ca: FILE}`, as real clients have it.",
            )


# ---- let in too slowly ----------------------------------------------------------------------------------------------


def _herd(seen: Seen) -> Iterator[Told]:
    for episode in seen.episodes:
        crush = _Crush.of(seen, episode)
        if crush is not None and crush.is_wave:
            yield Told(
                "warning",
                "The clients came back all at once, and the service could not let them in",
                crush.told(),
                "Spread the attempts: full jitter from the first one on, over at least as long as the service needs "
                "for all handshakes. On the service: a listen backlog (and net.core.somaxconn) above the number of "
                "clients, and a handshake that does nothing slow.",
            )


def _slow_handshakes(seen: Seen) -> Iterator[Told]:
    for episode in seen.episodes:
        crush = _Crush.of(seen, episode)
        if crush is not None and not crush.is_wave:
            yield Told(
                "warning",
                "Handshakes held up the return, though the service was ready",
                crush.told(),
                "Look at what the service does before it lets a client in: logins, TLS, look-ups in its accept loop, "
                "a short listen backlog, a limit of descriptors (`ulimit -n`). Each belongs out of the accept loop.",
            )


class _Crush:
    """Attempts that began when the service was ready, and failed or took much longer than in peace."""

    def __init__(self, episode: Episode, attempts: list[int], failed: Counter[str], slow: int, calm: float) -> None:
        self._since = ready_after(episode) - episode.fault_start
        self._attempts = attempts
        self._failed = failed
        self._slow = slow
        self._calm = calm
        self._wave = _largest_wave(attempts)
        self._affected = episode.back.affected

    @classmethod
    def of(cls, seen: Seen, episode: Episode) -> _Crush | None:
        """None: there was none, or nobody can tell."""
        return seen.once(("crush", episode.fault_start), partial(cls._find, seen, episode))

    @classmethod
    def _find(cls, seen: Seen, episode: Episode) -> _Crush | None:
        if episode.impact is None or episode.server_ready is None or episode.reference is None:
            return None
        ready, end = ready_after(episode) + (episode.server_ready_error or 0), until(episode)
        if any(probe.connect and probe.got == NONE and ready <= probe.sent < end for probe in seen.history.probes):
            return None  # it was not ready after all
        calm = [line.t - line.began for line in seen.history.opened if line.conn == 0 and line.t < episode.fault_start]
        if not calm:
            return None
        usual = median(calm)
        attempts = sorted(line.t for line in seen.history.attempts if ready <= line.t < end)
        failed: Counter[str] = Counter()
        troubled: set[tuple[int, int]] = set()
        for g in range(len(seen.history.plan.groups)):
            began = _beginnings(seen, g)
            for line in seen.history.refused:
                if line.g == g and ready <= began.get((line.c, line.t), 0) < end and line.why in _OVERRUN:
                    failed[refusal(line)] += 1
                    troubled.add((g, line.c))
        limit = max(_SLOW_NS, 10 * usual)
        slow = [(o.g, o.c) for o in seen.history.opened if ready <= o.began < end and o.t - o.began > limit]
        if len(troubled.union(slow)) < max(_LEAST_CLIENTS, episode.back.affected // 10):
            return None
        return cls(episode, attempts, failed, len(slow), usual)

    @property
    def is_wave(self) -> bool:
        return self._wave >= max(_LEAST_WAVE, self._affected // 2)

    def told(self) -> str:
        failed = ", ".join(f"{why} {count}" for why, count in sorted(self._failed.items()))
        parts = [
            f"{several(len(self._attempts), 'attempt')} began after the prober was let in again, "
            f"{seconds(max(0, self._since))} after the fault, up to {self._wave} of them within {seconds(_WAVE_NS)}",
            f"{self._failed.total()} failed ({failed})" if failed else "",
            f"{self._slow} took longer than {seconds(max(_SLOW_NS, 10 * self._calm))}" if self._slow else "",
            f"in the ramp the median was {seconds(self._calm)}",
        ]
        return "; ".join(part for part in parts if part)


_OVERRUN: Final = ("timeout", "reset", "refused")
"""How an attempt fails that a service has no room for: its SYN is dropped, or its connection is."""


def _largest_wave(times: list[int]) -> int:
    """The most attempts that began within `_WAVE_NS`."""
    first = most = 0
    for i, t in enumerate(times):
        while t - times[first] >= _WAVE_NS:
            first += 1
        most = max(most, i - first + 1)
    return most


RULES: Final = (
    Rule("thundering-herd", _herd, TIMES),
    Rule("slow-handshakes", _slow_handshakes, TIMES),
    Rule("turned-away", _turned_away),
    Rule("load-shed", _shed),
    Rule("any-certificate", _any_certificate),
)
