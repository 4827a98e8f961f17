"""The Docker engine, as far as roles and faults need it: which container is meant, how it is, and what is done to it.

Here rather than with the targets, because an undo must reach the engine when nothing else of a run is alive. Every call
blocks, for a bounded time: not for an event loop.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from chaosrun.errors import Unavailable
from chaosrun.identity import Identity, Stat, all_stats, boot_id, identify
from chaosrun.inspected import Endpoint, Inspected
from chaosrun.processes import is_in_container, lineage

_DEFAULT_ADDRESS = "unix:///var/run/docker.sock"
_ANSWER_WITHIN_S = 30.0
"""To start a container takes seconds on a busy machine."""
_LOOK_EVERY_S = 0.05
_HEALTHY_WITHIN_S = 30.0
"""Beside what the health check's own timing takes."""

_SERVICE = "com.docker.compose.service"
_PROJECT = "com.docker.compose.project"
_ONE_OFF = "com.docker.compose.oneoff"
_ENGINES_FILES = ("/etc/hostname", "/etc/hosts", "/etc/resolv.conf")
_SHOWN = 12
"""Characters of an id, as the docker command shows it."""


class Engine(msgspec.Struct, frozen=True):
    """Where an engine is, as data: for an undo in another environment than the run's."""

    host: str = _DEFAULT_ADDRESS
    tls_verify: str = ""
    cert_path: str = ""

    @classmethod
    def here(cls) -> Self:
        """What the environment says: DOCKER_HOST, DOCKER_TLS_VERIFY and DOCKER_CERT_PATH, else the default socket.
        The contexts of the docker command are not looked at."""
        return cls(
            os.environ.get("DOCKER_HOST") or _DEFAULT_ADDRESS,
            os.environ.get("DOCKER_TLS_VERIFY", ""),
            os.environ.get("DOCKER_CERT_PATH", ""),
        )


class Container(msgspec.Struct, frozen=True):
    """One container, beyond doubt: a name can be given to another, an id never."""

    engine: Engine
    id: str
    name: str

    def __str__(self) -> str:
        return f"{self.name} ({self.id[:_SHOWN]})"


@dataclass(frozen=True)
class Sought:
    """How a user names a container: by its name, or as the service of a compose project."""

    name: str | None = None
    service: str | None = None
    project: str | None = None
    """None: there is one project only that has the service."""

    def __str__(self) -> str:
        if self.name is not None:
            return f"container {self.name}"
        return f"compose service {self.service}" + (f" of project {self.project}" if self.project else "")


class Gone(Unavailable):
    """There is no such container any more."""


class Docker:
    """A connection to an engine, of one thread.

    Raises, when made and by every method:
        Unavailable: the engine does not answer, or refuses.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        with self._asked("connect"):
            # 0.2 s to import, and most runs have no container.
            from docker import APIClient  # noqa: PLC0415
            from docker.utils import kwargs_from_env  # noqa: PLC0415

            where = {"DOCKER_HOST": engine.host, "DOCKER_CERT_PATH": engine.cert_path}
            if engine.tls_verify:
                where["DOCKER_TLS_VERIFY"] = engine.tls_verify
            self._api: Any = APIClient(version="auto", timeout=_ANSWER_WITHIN_S, **kwargs_from_env(environment=where))
            self._api.trust_env = False  # a proxy for the web is none for an engine

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._api.close()

    # ---- looking ----------------------------------------------------------------------------------------------------

    def find(self, sought: Sought) -> Container:
        """The one container that is meant, running or not.

        Raises:
            Unavailable: there is none, or there are several; the message names them.
        """
        if sought.name is not None:
            return self._by_name(sought.name)
        labels = [f"{_SERVICE}={sought.service}", *([f"{_PROJECT}={sought.project}"] if sought.project else [])]
        with self._asked(f"look for {sought}"):
            raw = self._api.containers(all=True, filters={"label": labels})
        found = [each for each in raw if each["Labels"].get(_ONE_OFF, "False").lower() != "true"]
        if len(found) != 1:
            names = sorted(f"{each['Names'][0][1:]} of project {each['Labels'].get(_PROJECT)}" for each in found)
            there = f"there are {len(found)}: {', '.join(names)}; say which `project`" if found else "there is none"
            raise Unavailable(f"{sought} at {self.engine.host}: one container expected, {there}")
        return Container(self.engine, found[0]["Id"], found[0]["Names"][0][1:])

    def _by_name(self, name: str) -> Container:
        try:
            seen = self.inspect(name)
        except Gone as error:
            raise Unavailable(
                f"no container {name} at {self.engine.host}; `docker ps --all` shows what there is"
            ) from error
        # The engine takes the beginning of an id for the container too, as short as it likes.
        if name not in (seen.plain_name, seen.id, seen.id[:_SHOWN]):
            raise Unavailable(f"no container {name} at {self.engine.host}; {seen.plain_name} has an id that begins so")
        return Container(self.engine, seen.id, seen.plain_name)

    def inspect(self, container: str) -> Inspected:
        """How a container is now.

        Raises:
            Gone: there is none of that id or name.
        """
        with self._asked(f"inspect container {container[:_SHOWN]}"):
            raw = self._api.inspect_container(container)
        return msgspec.convert(raw, Inspected)

    def current(self, container: Container) -> Inspected:
        """How `container` is now, or the one that has taken its place under its name.

        Raises:
            Gone: there is neither.
        """
        try:
            return self.inspect(container.id)
        except Gone:
            return self.inspect(container.name)

    # ---- doing ------------------------------------------------------------------------------------------------------

    def start(self, container: Container) -> None:
        """Start it, unless it runs or the engine is about to start it."""
        if not self.current(container).is_up:
            with self._asked(f"start {container}"):
                self._api.start(container.id)

    def kill(self, container: Container) -> None:
        """SIGKILL by the engine, which takes it for an operator's wish: no restart policy acts."""
        with self._asked(f"kill {container}"):
            self._api.kill(container.id, "SIGKILL")

    def stop(self, container: Container, grace_s: int) -> None:
        """SIGTERM, and SIGKILL after `grace_s`; returns when it has ended."""
        with self._asked(f"stop {container}"):
            self._api.stop(container.id, timeout=grace_s)

    def pause(self, container: Container) -> None:
        with self._asked(f"pause {container}"):
            self._api.pause(container.id)

    def unpause(self, container: Container) -> None:
        with self._asked(f"unpause {container}"):
            self._api.unpause(container.id)

    def disconnect(self, container: Container, endpoint: Endpoint) -> None:
        """Take the container out of a network."""
        with self._asked(f"disconnect {container}"):
            self._api.disconnect_container_from_network(container.id, endpoint.network_id)

    def connect(self, container: Container, endpoint: Endpoint) -> None:
        """Put the container into a network, as it was in it: its aliases, links, fixed addresses and driver options."""
        with self._asked(f"connect {container}"):
            self._api.connect_container_to_network(
                container.id,
                endpoint.network_id,
                ipv4_address=endpoint.fixed.ipv4 or None,
                ipv6_address=endpoint.fixed.ipv6 or None,
                link_local_ips=list(endpoint.fixed.link_local or ()) or None,
                aliases=list(endpoint.aliases or ()) or None,
                links=[tuple(each.split(":", 1)) for each in endpoint.links or ()] or None,
                driver_opt=endpoint.driver_options or None,
            )

    def wait_up(self, container: Container) -> bool:
        """Whether it comes to run, and where it has a health check, to be healthy, in the time that takes."""
        seen = self.current(container)
        end = time.monotonic() + _HEALTHY_WITHIN_S + seen.health_takes_s
        while not seen.is_well and time.monotonic() < end:
            time.sleep(_LOOK_EVERY_S)
            seen = self.current(container)
        return seen.is_well

    @contextmanager
    def _asked(self, what: str) -> Iterator[None]:
        """Any refusal of the engine, or its silence, as an error of ours."""
        from docker.errors import DockerException, NotFound  # noqa: PLC0415 - as above
        from requests.exceptions import RequestException  # noqa: PLC0415 - as above

        try:
            yield
        except NotFound as error:
            raise Gone(f"cannot {what} at {self.engine.host}: {error.explanation or error}") from error
        except (DockerException, RequestException, OSError) as error:
            told = getattr(error, "explanation", None) or _root(error)
            remedy = _remedy(error, self.engine.host) if what == "connect" else ""
            raise Unavailable(f"cannot {what} at {self.engine.host}: {told}{remedy}") from error


def _root(error: BaseException) -> BaseException:
    """What a chain of wrapped errors began with: `No such file or directory` rather than `Connection aborted`."""
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    return error


def _remedy(error: BaseException, host: str) -> str:
    if isinstance(_root(error), PermissionError):
        return "; this user may not use the engine: join the group docker, or run as root"
    where = "set DOCKER_HOST" if host == _DEFAULT_ADDRESS else "DOCKER_HOST says so"
    return f"; start the Docker engine, or point to it ({where}); `chaosrun doctor` tries it"


def main_process(seen: Inspected) -> Identity | None:
    """The first process of a container among those of this machine; None: it is down, or runs on another machine."""
    found = identify(seen.state.pid) if seen.state.pid > 0 else None
    # Of an engine elsewhere the pid is somebody else's here.
    return found if found is not None and is_in_container(found.pid, seen.id) else None


def holds_us(container: str) -> bool:
    """Whether chaosrun, or what started it, runs in the container with this full id.

    By the control group; where a container sees that as its root, by the files that an engine keeps in a folder named
    by the id and mounts into the container.
    """
    try:
        mounts = Path("/proc/self/mountinfo").read_text()
    except OSError:
        mounts = ""
    return any(is_in_container(pid, container) for pid in lineage()) or is_mounted_from(container, mounts)


def is_mounted_from(container: str, mounts: str) -> bool:
    """Whether a table of mounts (proc(5), mountinfo) is the one inside of the container with this full id."""
    rows = (line.split() for line in mounts.splitlines())
    return any(len(row) > 4 and f"/{container}/" in row[3] and row[4] in _ENGINES_FILES for row in rows)


def first_process(container: str) -> Identity | None:
    """The same by the kernel alone: an engine that is starting a container may answer only when it has started it."""
    inside = {pid: each for pid, each in all_stats().items() if each.runs and is_in_container(pid, container)}
    # What `docker exec` starts has its parent outside, too, but comes later.
    first = min((each for each in inside.values() if each.parent not in inside), key=_start_time, default=None)
    return None if first is None else Identity(first.pid, first.start_time, boot_id())


def _start_time(process: Stat) -> float:
    return process.start_time
