"""The reference services: programs of their own, which chaosrun starts and then talks to over the wire only."""

from __future__ import annotations

from chaosrun.errors import UsageError
from chaosrun.reference._service import PORT_TAKEN, READY, Service, admin_port
from chaosrun.reference.mt5 import Mt5Bridge
from chaosrun.reference.services import Agents, StockTracker, StrategyStream

__all__ = ["PORT_TAKEN", "READY", "Service", "admin_port", "names", "service"]

_SERVICES: dict[str, Service] = {each.name: each for each in (Mt5Bridge(), StockTracker(), Agents(), StrategyStream())}


def names() -> list[str]:
    """Of all reference services."""
    return sorted(_SERVICES)


def service(name: str) -> Service:
    """The reference service of that name. Raises `UsageError`, naming those there are."""
    if name not in _SERVICES:
        raise UsageError(f"no reference service {name!r}; known: {', '.join(names())}")
    return _SERVICES[name]
