"""The proxy that the load went through, in one line: which it was, and whether it delays as it was told."""

from __future__ import annotations

from typing import Final

from chaosrun.reports._story import seconds
from chaosrun.scoring.result import Result

_KINDS: Final = {
    "server": "a server that was there",
    "binary": "toxiproxy-server",
    "embedded": "the embedded one",
}


def proxy_line(result: Result) -> str | None:
    """None: the load went straight to the service."""
    proxy = result.environment.proxy
    if proxy is None:
        return None
    kind = str(proxy.get("kind"))
    line = f"Toxiproxy {proxy.get('version')}, {_KINDS.get(kind, kind)}"
    asked, realised = proxy.get("requested_ms"), proxy.get("realised_ms")
    if not isinstance(asked, int | float):
        return line
    told = "by how much the prober's grew is unknown"
    if isinstance(realised, int | float):
        told = f"the prober's took {seconds(realised / 1e3)} more"
    return f"{line} · {seconds(asked / 1e3)} more asked of every round trip, {told}"
