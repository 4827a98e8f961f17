"""The programs and packages around chaosrun: Python's, netem, Docker, Toxiproxy, Ray, and the folder for the runs."""

from __future__ import annotations

import contextlib
import os
import platform
import re
import shutil
import socket
import tempfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from chaosrun.doctor._base import Finding
from chaosrun.shaping.tc import why_not

_PACKAGES: Final = ("uvloop", "picows", "websockets", "msgspec")
_TOOL_WITHIN_S: Final = 5.0
_RAY_WITHIN_S: Final = 2.0
_GCS_ADDRESS: Final = re.compile(rb"\0--gcs-address=([^\0]+)\0")
"""By which a node's processes are told where the cluster's head is."""
_HTTP2_HELLO: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0"
_HTTP2_HEADER: Final = 9
_HTTP2_SETTINGS: Final = 4
_DOCKER_SOCKET: Final = "unix:///var/run/docker.sock"


def python() -> Finding:
    """The interpreter, and the packages whose speed and behaviour the figures rest on."""
    told, missing = [f"Python {platform.python_version()}"], []
    for package in _PACKAGES:
        try:
            told.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            missing.append(package)
    if missing:
        return Finding("python", "missing", f"not installed: {', '.join(missing)}; pip install chaosrun", "everything")
    return Finding("python", "ok", ", ".join(told), "everything")


def netem() -> Finding:
    """Whether the kernel can delay and drop packets, and whether we may ask it to."""
    needed_for = "slow and lossy networks"
    reason = why_not()
    if reason is not None:
        return Finding("netem", "missing", reason, needed_for)
    return Finding("netem", "ok", "netem works here (tried in a network namespace of its own)", needed_for)


def docker() -> Finding:
    """Whether a Docker engine answers where the environment says it is."""
    needed_for = "roles that are containers"
    where = os.environ.get("DOCKER_HOST") or _DOCKER_SOCKET
    try:
        answer = _ask_docker(where)
    except PermissionError:
        return Finding("docker", "missing", f"{where}: this user may not use it; join the group docker", needed_for)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        return Finding("docker", "missing", f"no engine answers at {where} ({reason}); start it", needed_for)
    status, _, headers = answer.partition("\r\n")
    if " 200 " not in f"{status} ":
        return Finding("docker", "missing", f"{where} answers, but not as a Docker engine does", needed_for)
    known = dict(line.split(": ", 1) for line in headers.split("\r\n") if ": " in line)
    told = f"{known.get('Server', 'engine')} at {where}, API {known.get('Api-Version', 'unknown')}"
    return Finding("docker", "ok", told, needed_for)


def _ask_docker(where: str) -> str:
    """The engine's answer to /_ping, as text. The Docker package takes longer to import than this to ask."""
    url = urlsplit(where)
    if url.scheme == "unix":
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        address: str | tuple[str, int] = url.path
    elif url.scheme in ("tcp", "http") and url.hostname:
        sock = socket.socket(socket.AF_INET6 if ":" in url.hostname else socket.AF_INET, socket.SOCK_STREAM)
        address = (url.hostname, url.port or 2375)
    else:
        raise ValueError(f"only unix:// and tcp:// can be asked, not {url.scheme}://")
    with sock:
        sock.settimeout(_TOOL_WITHIN_S)
        sock.connect(address)
        sock.sendall(b"GET /_ping HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n")
        return sock.recv(65536).decode("latin-1")


def ray(address: str = "auto") -> Finding:
    """Whether the package Ray is installed, and whether a cluster answers there. Ray itself is not imported, which
    takes a second and more.

    Args:
        address: HOST:PORT, or `auto`: of RAY_ADDRESS, or of the cluster that this machine was last made a node of.
    """
    needed_for = "the load on a cluster (--fleet ray)"
    try:
        told = f"ray {version('ray')}"
    except PackageNotFoundError:
        return Finding("ray", "missing", "not installed; pip install 'chaosrun[ray]'", needed_for)
    where = _ray_address() if address == "auto" else address
    if not where:
        remedy = "`ray start --head --node-ip-address=127.0.0.1` makes this machine one"
        return Finding("ray", "limited", f"{told}; no cluster: {remedy}", needed_for)
    try:
        answers = _answers_http2(where)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        return Finding("ray", "limited", f"{told}; no cluster answers at {where} ({reason}); start it", needed_for)
    if not answers:
        return Finding("ray", "limited", f"{told}; {where} answers, but not as a Ray cluster does", needed_for)
    return Finding("ray", "ok", f"{told}, a cluster answers at {where}", needed_for)


def _ray_address() -> str | None:
    """Where Ray looks for a cluster by itself: the environment, what the last `ray start` has left, what runs."""
    named = os.environ.get("RAY_ADDRESS")
    if named and named != "auto":
        return named
    folder = os.environ.get("RAY_TMPDIR") or os.environ.get("TMPDIR") or "/tmp"  # noqa: S108 - Ray's own place
    with contextlib.suppress(OSError, UnicodeDecodeError), Path(folder, "ray", "ray_current_cluster").open() as file:
        if left := file.read(300).strip():
            return left
    network = Path("/proc/self/ns/net").readlink()
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            found = _GCS_ADDRESS.search((process / "cmdline").read_bytes())
            if found and (process / "ns" / "net").readlink() == network:  # a container's is its own
                return found[1].decode(errors="replace")
    return None


def _answers_http2(where: str) -> bool:
    """Whether what listens there speaks HTTP/2, as the head of a cluster does: whether it greets with its settings."""
    host, _, port = where.rpartition(":")
    if not host or not port.isdecimal():
        raise ValueError("HOST:PORT is needed")
    with socket.create_connection((host.strip("[]"), int(port)), _RAY_WITHIN_S) as sock:
        sock.settimeout(_RAY_WITHIN_S)
        sock.sendall(_HTTP2_HELLO)
        greeting = sock.recv(_HTTP2_HEADER)
    return len(greeting) == _HTTP2_HEADER and greeting[3] == _HTTP2_SETTINGS


def toxiproxy() -> Finding:
    """Whether the real Toxiproxy is at hand."""
    needed_for = "faults on the wire"
    program = shutil.which("toxiproxy-server")
    if program is None:
        return Finding("toxiproxy", "missing", "no toxiproxy-server on PATH; the embedded proxy stands in", needed_for)
    return Finding("toxiproxy", "ok", program, needed_for)


def reports(folder: Path = Path("reports")) -> Finding:
    """Whether runs can be kept, or the folder for them made."""
    needed_for = "keeping what was measured"
    there = folder
    while not there.exists() and there != there.parent:
        there = there.parent
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        told = f"{there} is not writable ({error.strerror}); choose another place with --report-dir"
        return Finding("report folder", "missing", told, needed_for)
    free = shutil.disk_usage(there).free
    told = f"{folder} can be written, {free / 1e9:.1f} GB free"
    return Finding("report folder", "ok" if free >= 1e9 else "limited", told, needed_for)
