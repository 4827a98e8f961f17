"""The ways of a group's clients to the service: one context for TLS, one proxy, and the addresses they come from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from chaosrun.load.route import Route, proxy_of
from chaosrun.spec.tls import TlsFiles, context_of


def route_of(tls: TlsFiles | None, via: str | None, http_proxy: str | None) -> Route:
    """The way of a client whose address the system chooses.

    Raises:
        Unfit: a file of `tls` cannot be used.
    """
    return Route(
        tls=None if tls is None else context_of(tls),
        via=via,
        http_proxy=None if http_proxy is None else proxy_of(http_proxy),
    )


class Ways:
    """Clients are dealt round over the source addresses."""

    def __init__(self, route: Route, source_addresses: Sequence[str]) -> None:
        self._routes = [replace(route, source_address=source) for source in source_addresses] or [route]

    def of(self, client: int) -> Route:
        return self._routes[client % len(self._routes)]
