"""The world before a run: what is there is found, and what the run would bring has a name that stands for it.

Faults are planned in it as in a run, and do nothing else: there is no load to cut off and nothing to be started.
"""

# ruff: noqa: ARG002 - what is never called does nothing with what it is told

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from chaosrun import reference, systemd
from chaosrun.cutting import CutOff, CutOrder
from chaosrun.effect import at_target
from chaosrun.errors import Unavailable
from chaosrun.faults._base import Role, Start
from chaosrun.identity import Identity
from chaosrun.processes import Selector, find
from chaosrun.spec import model
from chaosrun.spec.loader import Loaded
from chaosrun.spec.secret import mask
from chaosrun.targets._base import Restart
from chaosrun.targets.process import as_expected
from chaosrun.targets.proxied import address_of
from chaosrun.targets.proxying import Choice, choose
from chaosrun.targets.systemd import refuse_unless_up
from chaosrun.toxics import Link
from chaosrun.undertest import container_role, selector_of, start_command

RUN = "RUN"
"""Stands for the name of a run that has none yet."""
_HERE = "127.0.0.1:PORT"
"""Stands for an address that the run chooses."""


@dataclass(frozen=True)
class Sought:
    """A role of processes, as a fault sees it. Implements `faults._base.Role`."""

    name: str
    selector: Selector | None
    """None: the run starts it, so there is no process of it yet."""
    started_by: Start | None
    look: Callable[[], list[Identity]]

    def pids(self) -> list[Identity]:
        return [] if self.selector is None else find(self.selector)

    def resolve(self) -> list[Identity]:
        return self.look()

    def expect_exit(self) -> None:
        raise AssertionError("before a run nothing is ended")

    async def start(self) -> None:
        raise AssertionError("before a run nothing is started")

    def restart(self) -> Start | None:
        return self.started_by


class NoClients:
    """The load, before it is there. Implements `faults._base.Clients`."""

    processes: Sequence[Identity] = ()

    async def cut(self, call: str, order: CutOrder, wave: int) -> int:
        raise AssertionError("before a run there is nobody to cut off")

    async def cuts(self, call: str) -> Sequence[CutOff]:
        raise AssertionError("before a run nobody was cut off")

    async def mend(self, call: str) -> None:
        raise AssertionError("before a run nobody was cut off")


class Before:
    """Implements `faults._base.World` for an experiment that is not run."""

    def __init__(self, loaded: Loaded) -> None:
        target = loaded.experiment.target
        self._target = target
        self._secrets = loaded.secrets
        self.clients = NoClients()
        self.folder = Path(RUN)
        self.roles: Mapping[str, Role] = MappingProxyType(dict(_roles(target)))
        self.ours = frozenset(name for name in self.roles if name not in target.roles or target.roles[name].command)
        """The roles that the run starts."""
        service = reference.service(target.reference) if target.reference is not None else None
        self.url = f"ws://127.0.0.1{service.path}" if service is not None else model.reveal(target.url or "")
        self.choice: Choice | None = None
        """The Toxiproxy that the run would go through; None: it goes straight, or what is asked for is not here."""
        if target.proxy is not None:
            with suppress(Unavailable):  # which the doctor tells
                self.choice = choose(target.proxy.toxiproxy)
        self.links: Mapping[str, Link] = MappingProxyType({} if self.choice is None else _links(target, self.choice))

    def address(self, role: str | None) -> str:
        declared = self._target.roles.get(role) if role is not None else None
        if declared is not None and declared.admin is not None:
            return declared.admin.rstrip("/")
        return f"http://{_HERE}" if self._target.reference is not None else at_target(self.url, "http")

    def mask(self, text: str) -> str:
        return mask(text, self._secrets)

    def note(self, text: str) -> None:
        raise AssertionError(f"before a run there is no journal for {text!r}")

    def now(self) -> int:
        return 0


def _roles(target: model.Target) -> list[tuple[str, Role]]:
    if target.reference is not None:
        return [(name, _of_ours(name)) for name in reference.service(target.reference).roles]
    return [(name, _role(name, role)) for name, role in target.roles.items()]


def _role(name: str, role: model.Role) -> Role:
    if role.is_container:
        return container_role(name, role)
    if role.process is not None:
        selector, start = selector_of(role.process), start_command(name, role.process.start)
        again = Restart(tuple(start), str(Path.cwd())) if start else None
        return Sought(name, selector, again, lambda: as_expected(name, selector, find(selector)))
    if role.systemd is not None:
        return _unit(name, role.systemd)
    return _of_ours(name)


def _unit(name: str, unit: str) -> Role:
    selector = Selector(unit=unit)

    def main() -> list[Identity]:
        refuse_unless_up(name, unit)
        return as_expected(name, selector, find(selector))

    return Sought(name, selector, Restart(systemd.start_command(unit), "/"), main)


def _of_ours(name: str) -> Role:
    # Of how the run starts it again nothing is told, for the command may hold secrets.
    return Sought(name, None, Restart((), "/"), list)


def _links(target: model.Target, choice: Choice) -> dict[str, Link]:
    """As the run would make them, with names that stand for those it chooses."""
    assert target.proxy is not None
    api = choice.where if choice.kind == "server" else f"http://{_HERE}"
    there = address_of(model.reveal(target.url)) if target.url is not None else _HERE
    return {
        link.role: Link(
            name=link.role,
            api=api,
            proxy=f"chaosrun-{RUN}-{link.role}",
            listen=link.listen or _HERE,
            bind=link.listen or _HERE,
            upstream=link.upstream or there,
            url="",
            process=None,
        )
        for link in target.proxy.all_links()
    }
