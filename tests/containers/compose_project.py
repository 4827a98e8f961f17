"""A compose project of the shipped file, from the image that the tests made: the services that need no registry."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import subprocess
import urllib.request
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from docker_stage import ROOT, Stage, published, until

_WITHIN_S = 120


@dataclass(frozen=True)
class Project:
    """A project that runs, and the environment by which experiments find it."""

    name: str
    port: int
    env: dict[str, str]

    def health(self) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/healthz", timeout=5) as answer:
            return str(answer.read().decode())


def command() -> list[str]:
    """Compose as a plugin of the docker command or as a program of its own; skips by name where there is neither."""
    if shutil.which("docker") is not None:
        done = subprocess.run(["docker", "compose", "version"], capture_output=True, check=False)
        if done.returncode == 0:
            return ["docker", "compose"]
    if shutil.which("docker-compose") is not None:
        return ["docker-compose"]
    pytest.skip("there is neither `docker compose` nor docker-compose (Debian: apt-get install docker-compose)")


EMBEDDED = """
services:
  toxiproxy:
    image: ${CHAOSRUN_IMAGE}
    entrypoint: [python, -m, chaosrun.proxy]
    command: [--host, 0.0.0.0, --port, "8474", --allow-remote]
"""
"""In the place of Toxiproxy, whose image only a registry has, the proxy that speaks its API."""


def compose(stage: Stage, *arguments: str, env: dict[str, str] | None = None, more: Path | None = None) -> str:
    """What `docker compose ARGUMENTS` says of the shipped file, with another laid over it."""
    files = [ROOT / "docker-compose.yml", *([more] if more is not None else [])]
    done = subprocess.run(
        [*command(), *(word for file in files for word in ("--file", str(file))), *arguments],
        env=os.environ | {"DOCKER_HOST": stage.host} | (env or {}),
        capture_output=True,
        text=True,
        timeout=_WITHIN_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@contextlib.contextmanager
def project(stage: Stage, folder: Path) -> Iterator[Project]:
    """Bridge, terminal and a proxy under a name, ports and a network of their own; `folder` is for a file."""
    name, port = f"chaosrun-test-{uuid.uuid4().hex[:8]}", published()
    more = folder / "embedded.yml"
    more.write_text(EMBEDDED)
    env = {
        "COMPOSE_PROJECT_NAME": name,
        "CHAOSRUN_IMAGE": stage.image,
        "CHAOSRUN_NETWORK": f"10.{secrets.randbelow(200) + 20}.{secrets.randbelow(250)}",
        "BRIDGE_PORT": str(port),
        "TOXIPROXY_PORT": str(published()),
        "PROXIED_PORT": str(published()),
    }
    started = Project(name, port, env)
    try:
        compose(stage, "up", "--no-build", "--detach", "terminal", "bridge", "toxiproxy", env=env, more=more)
        until(lambda: _lives(started), "the bridge has its feed")
        yield started
    finally:
        compose(stage, "down", "--timeout", "2", env=env, more=more)


def _lives(started: Project) -> bool:
    try:
        return '"feed":"live"' in started.health()
    except OSError:
        return False
