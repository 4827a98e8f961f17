"""What a fresh client must see of each toxic for it to be confirmed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final, NamedTuple

from chaosrun.faults._sight import Look, Sight
from chaosrun.toxics import Toxic

_NEVER: Final = 1 << 62
_MS: Final = 1_000_000
_SHARE: Final = 0.9
"""Of what was asked for must be seen: a proxy's timers and the look before have their errors."""
_MOST: Final = 256 * 1024
"""Bytes that a look may send: more would be a load of its own."""
_BEYOND: Final = 2 * 1024
"""Bytes more than a connection may carry."""
_ECHO_S: Final = 0.4
"""How long what is given back should take under a limit."""
_LONGEST_S: Final = 30.0
_ROOM_S: Final = 2.0
_PATIENCE_BEFORE_S: Final = 3.0


class Effect(NamedTuple):
    """How one toxic shows."""

    look: Look
    """With the toxic."""
    expected: str
    """In words, after `not`."""
    rank: Callable[[Sight], int]
    """Which of several looks without the toxic was the least disturbed."""
    can_tell: Callable[[Sight], bool]
    """Whether a look without the toxic leaves room for the effect to show."""
    shows: Callable[[Sight, Sight], bool]
    """Of a look without the toxic and one with it."""

    @property
    def before(self) -> Look:
        """The look without the toxic: nothing is to end, so no end is waited for."""
        return replace(self.look, stay=False, patience_s=min(self.look.patience_s, _PATIENCE_BEFORE_S))


def effect_of(toxic: Toxic) -> Effect:
    """The effect of a toxic, by its type."""
    return _EFFECTS[toxic.type](toxic.attributes)


def _answered(sight: Sight) -> int:
    return _NEVER if sight.answered is None else sight.answered


def _echoed(sight: Sight) -> int:
    return _NEVER if sight.echo is None else sight.echo


def _leaving(sight: Sight) -> int:
    """How long the connection's end took."""
    return _NEVER if sight.ended is None or sight.left is None else sight.ended - sight.left


def _slower(look: Look, expected: str, measure: Callable[[Sight], int], by: float) -> Effect:
    """What is measured grows by `by` ns."""
    return Effect(
        look=look,
        expected=expected,
        rank=measure,
        # What takes as long without the toxic could hide it.
        can_tell=lambda before: measure(before) < max(by, 1000 * _MS),
        shows=lambda before, after: measure(before) + _SHARE * by <= measure(after) < _NEVER,
    )


def _latency(told: dict[str, int]) -> Effect:
    least = (told["latency"] - told.get("jitter", 0)) * _MS
    most_s = (told["latency"] + told.get("jitter", 0)) / 1e3
    return _slower(Look(_bounded(most_s)), f"answered {least / _MS:g} ms later", _answered, least)


def _bandwidth(told: dict[str, int]) -> Effect:
    rate = told["rate"] * 1000
    volume = _volume(rate)
    return _slower(
        Look(_bounded(volume / rate), volume=volume), f"slowed to {rate / 1e3:g} kB/s", _echoed, volume / rate * 1e9
    )


def _slicer(told: dict[str, int]) -> Effect:
    largest = told["average_size"] + told.get("size_variation", 0)
    volume = _volume(largest * 1e6 / told["delay"])
    # The last slice is followed by no other; how the rest is cut depends on how it comes in.
    by = max(1, volume // largest - 1) * told["delay"] * 1e3 / 2
    look = Look(_bounded(volume / told["average_size"] * told["delay"] / 1e6), volume=volume)
    return _slower(look, "slowed by slices", _echoed, by)


def _slow_close(told: dict[str, int]) -> Effect:
    delay = told["delay"]
    look = Look(_bounded(delay / 1e3), leave=True)
    return _slower(look, f"closed {delay} ms later", _leaving, delay * _MS)


def _timeout(told: dict[str, int]) -> Effect:
    after = told.get("timeout", 0) * _MS

    def shows(_: Sight, sight: Sight) -> bool:
        return sight.answered is None and (sight.ended is None or sight.ended >= _SHARE * after > 0)

    return _cut(Look(min(after / 1e9 + _ROOM_S, 2 * _ROOM_S), stay=True), "left without an answer", shows)


def _reset_peer(told: dict[str, int]) -> Effect:
    after = told.get("timeout", 0) * _MS

    def shows(_: Sight, sight: Sight) -> bool:
        return sight.ending == "reset" and sight.ended is not None and sight.ended >= _SHARE * after

    return _cut(Look(_bounded(after / 1e9), stay=True), "reset", shows)


def _limit_data(told: dict[str, int]) -> Effect:
    volume = min(_MOST, told["bytes"] + _BEYOND)

    def shows(_: Sight, sight: Sight) -> bool:
        return sight.ending in ("closed", "reset") and sight.echo is None

    return _cut(Look(2 * _ROOM_S, volume=volume, stay=True), f"closed after {told['bytes']} bytes", shows)


def _down(_: dict[str, int]) -> Effect:
    def shows(_: Sight, sight: Sight) -> bool:
        # A port that Docker publishes is connected to, and closed at once.
        return sight.answered is None and sight.ending != ""

    return _cut(Look(_ROOM_S), "refused", shows)


def _cut(look: Look, expected: str, shows: Callable[[Sight, Sight], bool]) -> Effect:
    return Effect(
        look=look,
        expected=expected,
        rank=_answered,
        can_tell=lambda before: before.answered is not None and not shows(before, before),
        shows=shows,
    )


def _volume(rate: float) -> int:
    """Bytes that take about `_ECHO_S` at so many bytes a second."""
    return int(min(_MOST, max(1, rate * _ECHO_S)))


def _bounded(effect_s: float) -> float:
    return min(effect_s + _ROOM_S, _LONGEST_S)


_EFFECTS: Final[dict[str, Callable[[dict[str, int]], Effect]]] = {
    "latency": _latency,
    "timeout": _timeout,
    "reset_peer": _reset_peer,
    "bandwidth": _bandwidth,
    "slow_close": _slow_close,
    "slicer": _slicer,
    "limit_data": _limit_data,
    "down": _down,
}
