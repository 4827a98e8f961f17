"""The system under test, whichever way the experiment names it: an embedded reference, or a URL with its roles."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Protocol

from chaosrun.containers import Sought
from chaosrun.errors import UsageError
from chaosrun.identity import Identity
from chaosrun.processes import Selector
from chaosrun.records import Proxied, Published
from chaosrun.spec import model
from chaosrun.spec.masking import NO_SECRETS, Mask
from chaosrun.spec.model import reveal
from chaosrun.spec.secret import Secret
from chaosrun.targets.command import CommandRole
from chaosrun.targets.container import ContainerRole, InsideRole
from chaosrun.targets.output import Output
from chaosrun.targets.own import OwnRole, OwnTarget
from chaosrun.targets.process import ProcessRole
from chaosrun.targets.proxied import ProxiedTarget, Wanted
from chaosrun.targets.proxying import Proxying, choose
from chaosrun.targets.readiness import Ready
from chaosrun.targets.reference import ReferenceTarget
from chaosrun.targets.systemd import SystemdRole
from chaosrun.toxics import Link

ROLES = "roles"
"""The folder of a run in which the output of its roles is kept."""

Role = OwnRole


class RoleEvents(Protocol):
    """Who is told of the processes of roles."""

    def spawned(self, role: str, identity: Identity) -> None: ...

    def exited(self, role: str, identity: Identity, code: int | None, expected: bool) -> None: ...

    def led(self, link: Link) -> None: ...

    def unled(self, link: Link, error: str) -> None: ...


class Target(Protocol):
    """A system under test."""

    @property
    def roles(self) -> Mapping[str, Role]: ...

    @property
    def url(self) -> str:
        """Where clients connect to; known for certain once it was started."""
        ...

    @property
    def via(self) -> str | None:
        """HOST:PORT of a TCP proxy to reach `url` through; None: there is none. Known once it was started."""
        ...

    @property
    def links(self) -> Mapping[str, Link]:
        """The ways into roles that lead through that proxy, by role."""
        ...

    def proxied(self) -> Proxied | None:
        """Which proxy that is, once it was started."""
        ...

    @property
    def prober_account(self) -> str | None:
        """An account apart from those of the load; None: it has none to give."""
        ...

    async def start(self) -> dict[str, int]: ...

    async def stop(self) -> None: ...

    def published(self, origin_ns: int) -> Iterator[Published]: ...


def make_target(
    spec: model.Target,
    *,
    run: str,
    folder: Path,
    events: RoleEvents,
    mask: Mask = NO_SECRETS,
    hidden: Collection[str] = (),
) -> Target:
    """The target that an experiment describes; nothing is started yet.

    Args:
        mask: blanks out secrets in what its parts say.
        hidden: variables of the environment that no part of it gets that is chaosrun's own.

    Raises:
        UsageError: there is no such reference service, or it has no such option.
    """
    target = _straight(spec, run, folder, events, mask)
    if spec.proxy is None:
        return target
    proxying = Proxying(
        choose(spec.proxy.toxiproxy),
        run=run,
        directory=folder / ROLES,
        events=events,
        allow=spec.allow,
        hidden=hidden,
    )
    wanted = [Wanted(link.role, link.listen, link.upstream) for link in spec.proxy.all_links()]
    return ProxiedTarget(target, proxying, wanted)


def _straight(
    spec: model.Target, run: str, folder: Path, events: RoleEvents, mask: Mask
) -> ReferenceTarget | OwnTarget:
    """The target without its proxy."""
    if spec.reference is not None:
        return ReferenceTarget(spec.reference, run=run, directory=folder / ROLES, observer=events, options=spec.options)
    assert spec.url is not None
    url = reveal(spec.url)
    roles = {name: _role(name, role, run, folder, events, mask) for name, role in spec.roles.items()}
    return OwnTarget(url, roles, sign_of(spec.ready))


def _role(name: str, role: model.Role, run: str, folder: Path, events: RoleEvents, mask: Mask) -> Role:
    if role.is_container:
        return container_role(name, role)
    output = Output(folder / ROLES / f"{name}.log", mask=mask)
    spawned: Callable[[Identity], None] = partial(events.spawned, name)
    exited: Callable[[Identity, int | None, bool], None] = partial(events.exited, name)
    if role.process is not None:
        return ProcessRole(
            name,
            selector_of(role.process),
            output=output,
            start=start_command(name, role.process.start) or None,
            ready=sign_of(role.ready),
            on_spawn=spawned,
            on_exit=exited,
        )
    if role.systemd is not None:
        return SystemdRole(
            name, role.systemd, output=output, ready=sign_of(role.ready), on_spawn=spawned, on_exit=exited
        )
    return CommandRole(
        name,
        [reveal(word) for word in role.command],
        run=run,
        output=output,
        cwd=Path(role.cwd) if role.cwd is not None else None,
        env={key: reveal(text) for key, text in role.env.items()},
        ready=sign_of(role.ready),
        on_spawn=spawned,
        on_exit=exited,
    )


def container_role(name: str, role: model.Role) -> ContainerRole:
    sought = sought_container(role)
    if role.process is None:
        return ContainerRole(name, sought, ready=sign_of(role.ready))
    return InsideRole(name, sought, selector_of(role.process), ready=sign_of(role.ready))


def sought_container(role: model.Role) -> Sought:
    """The container that a role names, by its own name or as a service of a compose project."""
    if role.compose is not None:
        return Sought(service=role.compose.service, project=role.compose.project)
    assert role.container is not None
    return Sought(name=role.container)


def selector_of(process: model.ProcessSelector) -> Selector:
    return Selector(
        name=process.name,
        cmdline_contains=process.cmdline_contains,
        cmdline_excludes=process.cmdline_excludes,
        wineprefix=process.wineprefix,
        expect=process.expect,
    )


def start_command(role: str, start: Sequence[str | Secret]) -> list[str]:
    """The command that starts a found role again: it is in the journal, for an undo without the experiment."""
    if any(isinstance(word, Secret) for word in start):
        raise UsageError(
            f"role {role}: `start` holds a secret, and the command is written down so that a kill can be undone; "
            "let the program read the secret from its environment or from a file"
        )
    return [reveal(word) for word in start]


def sign_of(ready: model.Ready | model.Probe | None) -> Ready | None:
    """How a part of the system, or of its failing, shows."""
    if ready is None:
        return None
    within_s = ready.within / 1e9
    if ready.http is not None:
        return Ready("http", reveal(ready.http), within_s)
    if ready.tcp is not None:
        return Ready("tcp", ready.tcp, within_s)
    if ready.websocket is not None:
        return Ready("websocket", reveal(ready.websocket), within_s)
    assert ready.log is not None
    return Ready("log", ready.log, within_s)
