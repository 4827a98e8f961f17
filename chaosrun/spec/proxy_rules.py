"""Whether the target's proxy can lead where its links say, and whether the faults on it have a link."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from urllib.parse import urlsplit

from chaosrun.spec.doubt import Finding
from chaosrun.spec.hosts import host_of, is_loopback
from chaosrun.spec.method import walk
from chaosrun.spec.model import Experiment
from chaosrun.spec.nodes import Path
from chaosrun.spec.overrides import did_you_mean
from chaosrun.spec.proxy import ENTRY, Proxy, ProxyLink
from chaosrun.spec.steps import ToxiproxyStep
from chaosrun.spec.target import Target

_PROXY: Path = ("target", "proxy")
_OUR_ROLE = "toxiproxy"
"""Under which chaosrun keeps the proxy that it starts."""


def proxy_problems(experiment: Experiment, roles: Collection[str]) -> Iterator[Finding]:
    """What is wrong with the proxy and its links, and with faults that name one.

    Args:
        roles: of the target.
    """
    proxy = experiment.target.proxy
    if proxy is not None:
        yield from _proxy(experiment.target, proxy, roles)
    links = [link.role for link in proxy.all_links()] if proxy is not None else []
    for key in ("method", "rollbacks"):
        for path, step in walk(getattr(experiment, key), (key,)):
            if isinstance(step, ToxiproxyStep) and step.proxy not in links:
                yield Finding((*path, "proxy"), _no_link(step.proxy, links), needs=(_PROXY,))


def _no_link(name: str, links: list[str]) -> str:
    if not links:
        return f"the run goes through no proxy; add to the target `proxy: {{toxiproxy: auto, links: [{name}]}}`"
    return f"the target's proxy has no link {name!r}{did_you_mean(name, links)}"


def _proxy(target: Target, proxy: Proxy, roles: Collection[str]) -> Iterator[Finding]:
    if _OUR_ROLE in roles:
        text = f"{_OUR_ROLE!r} is what chaosrun calls the proxy that it starts; give the role another name"
        yield Finding(("target", "roles", _OUR_ROLE), text, needs=(_PROXY,))
    api = host_of(proxy.toxiproxy) if "://" in proxy.toxiproxy else None
    for index, link in enumerate(proxy.all_links()):
        path: Path = (*_PROXY, "links", index)
        yield from _leads_somewhere(target, proxy, link, roles, path)
        if api is not None and not is_loopback(api) and link.upstream is None and _is_here(target):
            text = (
                f"the proxy is on {api}, where the target's own address means {api} itself; "
                "give the link an `upstream` as the proxy sees it"
            )
            yield Finding(path, text, needs=((*_PROXY, "toxiproxy"), ("target", "url")))


def _leads_somewhere(
    target: Target, proxy: Proxy, link: ProxyLink, roles: Collection[str], path: Path
) -> Iterator[Finding]:
    if target.url is not None and link.role != ENTRY:
        text = (
            f"only the clients' way in, `{ENTRY}`, can be led through the proxy: {target.url!r} is all that chaosrun "
            f"knows of this target, and nothing would tell it to go another way to {link.role!r}"
        )
        yield Finding(path, text, needs=(("target", "url"),))
    api = host_of(proxy.toxiproxy) if "://" in proxy.toxiproxy else None
    elsewhere = link.listen is not None or (api is not None and not is_loopback(api))
    if target.reference is not None and link.role != ENTRY and elsewhere:
        text = f"the parts of a reference service talk on loopback; let the proxy lead to {link.role!r} from there"
        yield Finding(path, text, needs=((*_PROXY, "toxiproxy"),))
    if target.reference is not None and link.role not in roles:
        text = f"the target has no role {link.role!r}{did_you_mean(link.role, list(roles))}"
        yield Finding(path, text, needs=(("target", "reference"),))


def _is_here(target: Target) -> bool:
    """Whether the service's own address is one of this machine only."""
    return target.url is None or is_loopback(urlsplit(target.url).hostname or "")
