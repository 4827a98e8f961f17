"""Whether packets are shaped as was asked: by the kernel's account of its queue, and by connections that are timed.

The fastest of a few connections is judged, for a busy machine can only add to what the kernel delays. Blocks.
"""

from __future__ import annotations

import socket
import statistics
import time
from collections.abc import Sequence
from typing import Final, NamedTuple

from chaosrun.shaping import tc
from chaosrun.shaping.network import LOOPBACK
from chaosrun.shaping.place import Place
from chaosrun.shaping.queues import Leaf, Shape

_TRIES: Final = 3
_CONNECT_WITHIN_S: Final = 3.0
"""Beyond the delay."""
_ENOUGH: Final = 0.95
"""Of the delay that was asked for: the kernel's timers fire early by no more than a rounding."""


class Testimony(NamedTuple):
    holds: bool
    told: str


class _Wrong(Exception):
    """What is not as it was asked to be."""


def look(place: Place, shape: Shape) -> Testimony:
    """What the kernel and connections say of a shape that was just put in place.

    Raises:
        TcFailed: the kernel could not be asked.
    """
    try:
        if not _leaf(place).holds(shape):
            raise _Wrong(f"the kernel shapes otherwise than asked: {_leaf(place)}")
        told = [f"{place.device}: netem {' '.join(shape.options())} on port {place.port}", *_timed(place, shape)]
        leaf = _leaf(place)
        if leaf.passed == 0:
            raise _Wrong(f"no packet of port {place.port} has passed the queue of device {place.device}")
    except _Wrong as wrong:
        return Testimony(False, str(wrong))
    told.append(f"{leaf.passed} packets passed, {leaf.lost} dropped")
    if shape.loss or shape.corrupt:
        told.append("what TCP sends again shows as latency, not as lost messages")
    return Testimony(True, "; ".join(told))


def _leaf(place: Place) -> Leaf:
    found = tc.show(place.network, place.device)
    if found is None or found.leaf is None:
        raise _Wrong(f"device {place.device} has no netem of ours")
    return found.leaf


def _timed(place: Place, shape: Shape) -> Sequence[str]:
    """What connections through the port, and beside it, tell."""
    address = _address(place)
    if address is None:
        return ("there is no address to time a connection to",)
    least_s = place.trips * (shape.delay_ns - shape.jitter_ns) / 1e9
    times = _connect(address, place.trips * shape.longest_ns / 1e9)
    if not times:
        # Through a firewall, or with much loss, none may succeed; on our own machine without loss one must.
        if place.network.is_own and not shape.loss:
            raise _Wrong(f"no connection to port {place.port} succeeded")
        return ("no connection succeeded",)
    told = f"a connection takes {_ms(statistics.median(times))}"
    if least_s == 0 or shape.reorder:  # what is reordered overtakes at once
        return (told,)
    if min(times) < _ENOUGH * least_s:
        raise _Wrong(f"a connection to port {place.port} took {_ms(min(times))}, with a delay of {_ms(least_s)}")
    if place.device != LOOPBACK or not place.network.is_own:
        return (told,)
    beside = _connect_beside(place.host)
    if beside > least_s / 2:
        raise _Wrong(f"a connection to another port is slow as well: {_ms(beside)}")
    return (f"{told}, to another port {_ms(beside)}",)


def _address(place: Place) -> tuple[str, int] | None:
    """Where a connection passes the queue."""
    if place.network.is_own:
        return place.host, place.port
    if place.device == LOOPBACK:
        return None  # nobody outside can connect to it
    address = tc.address(place.network, place.device)
    return None if address is None else (address, place.port)


def _connect(address: tuple[str, int], longest_s: float) -> Sequence[float]:
    """Seconds that connections took; those that failed are left out."""
    times = []
    for _ in range(_TRIES):
        began = time.monotonic()
        try:
            with socket.create_connection(address, timeout=_CONNECT_WITHIN_S + longest_s):
                times.append(time.monotonic() - began)
        except OSError:
            continue
    return times


def _connect_beside(host: str) -> float:
    """Seconds that the fastest connection took to a port of our own at the same address."""
    with socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET) as listening:
        return min(_connect((host, listening.getsockname()[1]), 0.0), default=float("inf"))


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms"
