"""Where packets are shaped: which device of which network, which port, and which way they go."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from chaosrun.errors import Unavailable
from chaosrun.shaping import network, queues, tc
from chaosrun.shaping.network import LOOPBACK, Network
from chaosrun.shaping.queues import Direction
from chaosrun.spec.hosts import is_loopback

_PORTS = {"ws": 80, "wss": 443}


@dataclass(frozen=True)
class Place:
    """A port's traffic on one device."""

    network: Network
    device: str
    host: str
    """Of the target, as its URL names it."""
    port: int
    direction: Direction

    @property
    def trips(self) -> int:
        """How often a round trip passes the queue: a device shapes only what leaves it, and of loopback all does."""
        return len(queues.ways(self.direction)) if self.device == LOOPBACK else 1


def locate(url: str, where: Network, device: str | None, port: int | None, direction: Direction) -> Place:
    """The place that is meant. Looks below /proc alone.

    Args:
        url: of the target.
        device: None: the one that leads to the target, if there is but one.
        port: None: the target's.

    Raises:
        Unavailable: there is no such place, or it has none of these packets.
    """
    parts = urlsplit(url)
    host = parts.hostname or "localhost"
    is_here = where.is_own and is_loopback(host)
    chosen = device or (LOOPBACK if is_here else _only_device(where))
    if chosen != LOOPBACK:
        if is_here:
            raise Unavailable(f"what is sent to {host} never passes device {chosen}; write `device: lo`")
        # By our own device leaves what goes to the service, by the service's what it sends.
        passing = "in" if where.is_own else "out"
        if direction not in ("both", passing):
            raise Unavailable(
                f"`direction: {direction}` does not leave by device {chosen}, and only what leaves a device can be "
                f"shaped; write `direction: {passing}`"
            )
    return Place(where, chosen, host, port or parts.port or _PORTS[parts.scheme], direction)


def _only_device(where: Network) -> str:
    found = network.devices(where)
    if len(found) != 1:
        told = ", ".join(found) or "none but lo"
        raise Unavailable(f"which device is to be shaped? There are: {told}; name one: `device`")
    return found[0]


def refuse_unless_free(place: Place) -> None:
    """Blocks for some tenths of a second.

    Raises:
        Unavailable: packets cannot be shaped here, or the device's queue is not the kernel's own.
    """
    reason = tc.why_not()
    if reason is not None:
        raise Unavailable(reason)
    found = tc.show(place.network, place.device)
    if found is None:
        raise Unavailable(f"there is no device {place.device}; `ip link` lists them")
    if found.is_ours:
        raise Unavailable(
            f"device {place.device} still has the queue of a run of chaosrun ({found.root}); if none is under way: "
            f"tc qdisc del dev {place.device} root handle {queues.ROOT}"
        )
    if not found.is_default:
        raise Unavailable(
            f"device {place.device} has a queue that somebody set ({found.root}), which is not replaced; "
            "choose another device, or take that queue away"
        )
