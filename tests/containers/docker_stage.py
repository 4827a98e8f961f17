"""A real Docker engine for the tests, a small image of this machine's own files, and containers that end with a test.

The engine is the one that answers at DOCKER_HOST or the default socket; where there is none, a dockerd that is started
by hand, with all that it keeps in a folder of its own, and that is ended by its pid.
"""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from chaosrun.containers import Docker, Engine
from chaosrun.errors import Unavailable
from chaosrun.targets.container import ContainerRole
from chaosrun.targets.ports import free_port

ROOT = Path(__file__).parents[2]
PATIENCE_S = 60.0
_ENGINE_WITHIN_S = 60.0
SITE = "/opt/site"
_PACKAGES = ("chaosrun", "h11", "msgspec", "uvloop", "websockets")
"""What the reference services and the embedded proxy import."""
_LEFT_OUT = {"__pycache__", "site-packages", "test", "tests", "idlelib", "tkinter", "turtledemo", "lib2to3"}


def until(holds: Callable[[], bool], what: str, within_s: float = PATIENCE_S) -> None:
    """Wait until it holds."""
    end = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < end, f"not within {within_s:g} s: {what}"
        time.sleep(0.05)


_running: list[Engine] = []
"""The engine that this process has started, for who needs one while it runs: two would share a bridge."""


# ---- the engine -----------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def engine() -> Iterator[str]:
    """The address of an engine; skips by name where there is none and none can be started."""
    for where in (*_running, Engine.here()):
        if answers(where):
            yield where.host
            return
    program = shutil.which("dockerd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if program is None:
        pytest.skip("no Docker engine answers, and there is no dockerd to start (Debian: apt-get install docker.io)")
    if os.geteuid() != 0:
        pytest.skip("no Docker engine answers, and only root can start one")
    with _as_it_was(), _folder() as folder:
        yield from _by_hand(program, folder)


def answers(where: Engine) -> bool:
    try:
        with Docker(where):
            return True
    except Unavailable:
        return False


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    """With a short path: a socket's has at most 107 characters."""
    folder = Path(tempfile.mkdtemp(prefix="dockerd-", dir="/tmp"))
    try:
        yield folder
    finally:
        # The engine leaves the network of the host mounted there, once a container has used that.
        mounts = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
        for mount in reversed([each for each in mounts if each.startswith(f"{folder}/")]):
            subprocess.run(["umount", mount], capture_output=True, check=False)
        shutil.rmtree(folder)


def _by_hand(program: str, folder: Path) -> Iterator[str]:
    where = Engine(f"unix://{folder}/docker.sock")
    log = folder / "dockerd.log"
    places = {"data-root": "data", "exec-root": "exec", "pidfile": "pid"}
    with log.open("wb") as file:
        process = subprocess.Popen(
            [program, "-H", where.host, *(f"--{key}={folder / name}" for key, name in places.items())],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        end = time.monotonic() + _ENGINE_WITHIN_S
        while not answers(where):
            if process.poll() is not None or time.monotonic() > end:
                pytest.fail(f"dockerd cannot be started:\n{log.read_text()[-4000:]}")
            time.sleep(0.1)
        _running.append(where)
        yield where.host
    finally:
        _running.clear()
        process.terminate()
        try:
            process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextlib.contextmanager
def _as_it_was() -> Iterator[None]:
    """What dockerd leaves of itself in the machine's network is taken out again."""
    forwarding = Path("/proc/sys/net/ipv4/ip_forward")
    before, bridge = forwarding.read_text(), Path("/sys/class/net/docker0").exists()
    rules = subprocess.run(["iptables-save"], capture_output=True, check=False).stdout if _has("iptables-save") else b""
    try:
        yield
    finally:
        if not bridge:
            subprocess.run(["ip", "link", "delete", "docker0"], capture_output=True, check=False)
        if _has("iptables-restore"):
            _restore(rules)
        forwarding.write_text(before)


def _has(program: str) -> bool:
    return shutil.which(program) is not None


def _restore(rules: bytes) -> None:
    """The rules as they were; a table that had none is emptied."""
    for table in (b"nat", b"filter"):
        if b"*" + table not in rules:
            rules += b"*" + table + b"\nCOMMIT\n"
    subprocess.run(["iptables-restore"], input=rules, capture_output=True, check=False)


# ---- the image ------------------------------------------------------------------------------------------------------


def import_image(api: Any, name: str, more: Mapping[str, Path | bytes] | None = None, workdir: str = "/tmp") -> None:
    """Python, its standard library and the reference services, without a registry; `more`: files by their place."""
    with tempfile.TemporaryDirectory() as folder:
        tar = Path(folder) / "image.tar"
        _pack(tar, more or {})
        changes = [
            "ENV PATH=/usr/local/bin:/usr/bin:/bin",
            f"ENV PYTHONPATH={SITE}",
            "ENV PYTHONUNBUFFERED=1",
            f"WORKDIR {workdir}",
            'CMD ["python"]',
        ]
        with tar.open("rb") as file:
            repository, _, tag = name.partition(":")
            answer = api.import_image_from_data(file, repository=repository, tag=tag, changes=changes)
    assert "error" not in answer, answer


def _pack(tar: Path, more: Mapping[str, Path | bytes]) -> None:
    program = Path(sys.executable).resolve()
    library = Path(sysconfig.get_paths()["stdlib"])
    site = Path(sysconfig.get_paths()["purelib"])
    files: dict[str, Path | bytes] = {str(program): program}
    for path in _files(library):
        files[str(path)] = path
    for package in _PACKAGES:
        folder = ROOT / package if (ROOT / package).is_dir() else site / package
        for path in _files(folder):
            files[f"{SITE}/{package}/{path.relative_to(folder)}"] = path
    files |= more
    paths = [path for path in files.values() if isinstance(path, Path)]
    for path in _linked([path for path in paths if ".so" in path.name or _is_program(path)]):
        files[str(path)] = path
    with tarfile.open(tar, "w") as archive:
        for folder_name in sorted({str(parent) for name in files for parent in Path(name).parents} | {"/tmp"}):
            archive.addfile(
                _entry(folder_name.lstrip("/") or ".", tarfile.DIRTYPE, 0o1777 if folder_name == "/tmp" else 0o755)
            )
        for name, source in files.items():
            content = source if isinstance(source, bytes) else source.read_bytes()
            entry = _entry(name.lstrip("/"), tarfile.REGTYPE, 0o755)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
        link = _entry("usr/local/bin/python", tarfile.SYMTYPE, 0o777)
        link.linkname = str(program)
        archive.addfile(link)


def _entry(name: str, kind: bytes, mode: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode = kind, mode
    return entry


def _is_program(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"\x7fELF"


def _files(folder: Path) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder):
        folders[:] = set(folders) - _LEFT_OUT
        yield from (path for name in names if (path := Path(parent, name)).is_file())


def _linked(programs: list[Path]) -> set[Path]:
    """The shared libraries that the kernel's loader would load for them, the loader among them."""
    said = subprocess.run(["ldd", *map(str, programs)], capture_output=True, text=True, check=False).stdout
    words = [word for line in said.splitlines() for word in line.split()]
    # Without the `..` by which libraries name what comes with them: no file twice.
    return {
        Path(os.path.normpath(word))
        for word in words
        if word.startswith("/") and ".so" in word and not word.endswith(":")
    }


# ---- containers -----------------------------------------------------------------------------------------------------


@dataclass
class Stage:
    """An engine with the image, and the containers and networks that a test has made."""

    host: str
    api: Any
    image: str
    made: list[str] = field(default_factory=list)
    networks: list[str] = field(default_factory=list)

    def run(
        self,
        *command: str,
        name: str | None = None,
        ports: Mapping[int, int] | None = None,
        restart: str = "no",
        networking: Any = None,
        **more: Any,
    ) -> str:
        """Start a container; its name. `ports`: inside to outside, on loopback only."""
        name = name or f"chaosrun-test-{uuid.uuid4().hex[:8]}"
        host_config = self.api.create_host_config(
            port_bindings={inside: ("127.0.0.1", outside) for inside, outside in (ports or {}).items()},
            restart_policy={"Name": restart},
            **{key: more.pop(key) for key in ("init", "network_mode") if key in more},
        )
        made = self.api.create_container(
            self.image,
            list(command),
            name=name,
            ports=list(ports or {}),
            host_config=host_config,
            networking_config=networking,
            **more,
        )
        self.made.append(made["Id"])
        self.api.start(made["Id"])
        return name

    def sleeper(self, **more: Any) -> str:
        """A container that does nothing and ends when it is asked to; returns when it would hear that."""
        return self._up(self.run("python", "-c", SLEEPER, **more))

    def stubborn(self, **more: Any) -> str:
        """A container that does not end when it is asked to."""
        return self._up(self.run("python", "-c", STUBBORN, **more))

    def _up(self, name: str) -> str:
        until(lambda: "up" in self.logs(name), f"{name} is up")
        return name

    def network(self, **more: Any) -> str:
        """Make a network; its name."""
        name = f"chaosrun-test-{uuid.uuid4().hex[:8]}"
        self.networks.append(self.api.create_network(name, **more)["Id"])
        return name

    def status(self, name: str) -> str:
        return str(self.api.inspect_container(name)["State"]["Status"])

    def pid(self, name: str) -> int:
        return int(self.api.inspect_container(name)["State"]["Pid"])

    def about(self, name: str) -> str:
        return f"{self.api.inspect_container(name)['State']} {self.logs(name)}"

    def logs(self, name: str) -> str:
        return str(self.api.logs(name).decode(errors="replace"))

    def execute(self, name: str, *command: str) -> tuple[int, str]:
        """Run a program inside; its exit code and what it said."""
        made = self.api.exec_create(name, list(command))
        said = self.api.exec_start(made["Id"]).decode(errors="replace")
        return int(self.api.exec_inspect(made["Id"])["ExitCode"]), said

    def clear(self) -> None:
        from docker.errors import APIError, NotFound

        for container in self.made:
            with contextlib.suppress(NotFound):
                self.api.remove_container(container, force=True)
        for network in self.networks:
            with contextlib.suppress(APIError):
                self.api.remove_network(network)
        self.made.clear()
        self.networks.clear()


@contextlib.contextmanager
def stage_of_its_own() -> Iterator[Stage]:
    """An engine with the image; everything that was made on it is taken away again."""
    from docker import APIClient

    with engine() as host:
        api = APIClient(base_url=host, version="auto", timeout=60)
        stage = Stage(host, api, f"chaosrun-test:{uuid.uuid4().hex[:8]}")
        import_image(api, stage.image)
        try:
            yield stage
        finally:
            stage.clear()
            api.remove_image(stage.image, force=True)
            api.close()


class World:
    """Implements `chaosrun.faults._base.World` around roles that are containers."""

    def __init__(self, *roles: ContainerRole) -> None:
        self.roles: Mapping[str, ContainerRole] = {role.name: role for role in roles}
        self._origin_ns = time.monotonic_ns()

    def now(self) -> int:
        return time.monotonic_ns() - self._origin_ns


SLEEPER = "import signal; signal.signal(signal.SIGTERM, lambda *_: exit(0)); print('up'); signal.pause()"
"""Ends when it is asked to; as process 1 it would ignore what it does not handle."""

STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up')\nwhile True: signal.pause()"

HTTP = """
import http.server
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
    def log_message(self, *_):
        pass
http.server.ThreadingHTTPServer(("0.0.0.0", 8000), Handler).serve_forever()
"""
SERVER = ("python", "-c", HTTP)
"""Answers with 200 at port 8000."""

SUPERVISOR = """
import subprocess, sys, time
while True:
    subprocess.run([sys.executable, "-c", sys.argv[1], "the" + "-app"])
    time.sleep(float(sys.argv[2]))
"""


def supervised(app: str, pause_s: float) -> tuple[str, ...]:
    """A container whose first process runs `app`, and again `pause_s` after its end."""
    return ("python", "-c", SUPERVISOR, app, str(pause_s))


def serves(port: int, path: str = "/") -> bool:
    """Whether an HTTP server answers at a published port."""
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def published() -> int:
    return free_port()
