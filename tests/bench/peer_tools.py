"""chaosrun and its peers as commands: how each is installed, started with a load, and what it says in the end."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PEERS = Path.home() / ".cache" / "chaosrun" / "peers"
SCRIPTS = Path(__file__).parent / "peer_scripts"
INSTALL_WITHIN_S = 900
OURS = "chaosrun"


@dataclass(frozen=True)
class Load:
    """What each tool is told to do: `clients` that all come within a second, or within a period where they poll."""

    kind: str
    """`pings` over WebSocket, or `pages` by HTTP."""
    clients: int
    every_s: float
    seconds: int

    def environment(self, port: int) -> dict[str, str]:
        values = {"PORT": port, "CLIENTS": self.clients, "EVERY": f"{self.every_s:g}s", "SECONDS": self.seconds}
        return {f"PEER_{key}": str(value) for key, value in values.items()} | {"PEER_PYTHON": Path(sys.executable).name}


@dataclass(frozen=True)
class Said:
    """What a tool reports of a run: None where it says nothing of it."""

    errors: int | None = None
    p99_ms: float | None = None
    recovery: str | None = None
    lost: str | None = None
    report: bool = True
    """False: it ended without one."""


class Tool(ABC):
    name: str
    kills = False
    """It kills the service by itself."""
    own_connections = 0
    """That it holds beside those of its clients."""

    @abstractmethod
    def missing(self) -> str | None:
        """Why it cannot be used as things are; None: it is there."""

    @abstractmethod
    def install(self) -> None:
        """Raises `OSError` or `subprocess.SubprocessError` where it cannot be had."""

    @abstractmethod
    def version(self) -> str: ...

    @abstractmethod
    def command(self, load: Load, port: int, folder: Path, *, crash: bool) -> list[str]: ...

    @abstractmethod
    def said(self, folder: Path) -> Said: ...


class Chaosrun(Tool):
    name = OURS
    kills = True
    own_connections = 1

    def missing(self) -> str | None:
        return None

    def install(self) -> None:
        raise FileNotFoundError("it is what runs this bench")

    def version(self) -> str:
        return last_line([sys.executable, "-m", "chaosrun", "--version"])

    def command(self, load: Load, port: int, folder: Path, *, crash: bool) -> list[str]:
        profile = ["--profile", "crash"] if crash else []
        kept = ["--format", "json", "--no-live", "--report-dir", str(folder)]
        return [sys.executable, "-m", "chaosrun", "run", str(SCRIPTS / f"{load.kind}.yaml"), *kept, *profile]

    def said(self, folder: Path) -> Said:
        (path,) = folder.glob("*/result.json")
        result = json.loads(path.read_bytes())
        requests, recovery = result["messages"]["requests"], result["recovery"]
        answered = requests["replied_in_time"] + requests["replied_late"]
        lost = f"requests: {requests['lost_at_break']} cut off, {requests['skipped_disconnected']} not sent"
        ttr = recovery and recovery["ttr_s"]
        return Said(
            errors=requests["due"] - answered - requests["in_flight_at_end"],
            p99_ms=result["latency_ms"]["response"]["all"]["p99"],
            recovery=None if ttr is None else f"{ttr:.2f} s ± {recovery['error_s']:.2f}",
            lost=lost,
        )


class Locust(Tool):
    name = "Locust"
    _bin = PEERS / "locust" / "bin"

    def missing(self) -> str | None:
        return None if (self._bin / "locust").exists() else "not installed"

    def install(self) -> None:
        quietly([sys.executable, "-m", "venv", str(self._bin.parent)])
        quietly([str(self._bin / "pip"), "install", "--disable-pip-version-check", "locust", "websocket-client"])

    def version(self) -> str:
        return last_line([str(self._bin / "locust"), "--version"])

    def command(self, load: Load, port: int, folder: Path, *, crash: bool) -> list[str]:
        pace = load.clients if load.kind == "pings" else load.clients / load.every_s
        users = ["--users", str(load.clients), "--spawn-rate", f"{pace:g}", "--run-time", f"{load.seconds}s"]
        script = ["-f", str(SCRIPTS / f"locust_{load.kind}.py"), "--host", f"http://127.0.0.1:{port}"]
        return [
            str(self._bin / "locust"),
            *script,
            *users,
            "--headless",
            "--only-summary",
            "--csv",
            str(folder / "said"),
        ]

    def said(self, folder: Path) -> Said:
        with (folder / "said_stats.csv").open() as file:
            (row,) = [row for row in csv.DictReader(file) if row["Name"] == "Aggregated"]
        return Said(errors=int(row["Failure Count"]), p99_ms=number(row["99%"]))


class Artillery(Tool):
    name = "Artillery"
    _folder = PEERS / "artillery"
    _bin = _folder / "node_modules" / ".bin" / "artillery"

    def missing(self) -> str | None:
        return None if self._bin.exists() else "not installed"

    def install(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        (self._folder / "package.json").write_text('{"private": true}\n')
        npm = ["npm", "install", "--no-audit", "--no-fund"]
        # Without scripts: one of its parts would download browsers.
        quietly([*npm, "--ignore-scripts", "artillery"], cwd=self._folder)

    def version(self) -> str:
        package = json.loads((self._folder / "node_modules" / "artillery" / "package.json").read_bytes())
        return f"artillery {package['version']}, node {last_line(['node', '--version'])}"

    def command(self, load: Load, port: int, folder: Path, *, crash: bool) -> list[str]:
        script = folder / "artillery.json"
        script.write_text(json.dumps(artillery_script(load, port)))
        return [str(self._bin), "run", "--output", str(folder / "said.json"), str(script)]

    def said(self, folder: Path) -> Said:
        aggregate = json.loads((folder / "said.json").read_bytes())["aggregate"]
        took = aggregate.get("summaries", {}).get("http.response_time")
        failed = aggregate["counters"].get("vusers.failed", 0)
        return Said(errors=failed, p99_ms=None if took is None else took["p99"])


def artillery_script(load: Load, port: int) -> dict[str, Any]:
    """As its users write it: everybody does what he does so often, with a pause after each."""
    think = {"think": f"{round(load.every_s * 1000)}ms"}
    pong = {"json": "$.type", "value": "pong"}
    what: dict[str, Any]
    if load.kind == "pings":
        what = {"send": {"payload": {"type": "ping"}, "match": pong}}
        target, engine, over_s = f"ws://127.0.0.1:{port}/ws", "ws", 1
    else:
        what = {"get": {"url": "/api/vn30-components"}}
        target, engine, over_s = f"http://127.0.0.1:{port}", "http", max(1, round(load.every_s))
    return {
        "config": {"target": target, "phases": [{"duration": over_s, "arrivalCount": load.clients}]},
        "scenarios": [
            {"engine": engine, "flow": [{"loop": [what, think], "count": round(load.seconds / load.every_s)}]}
        ],
    }


class K6(Tool):
    name = "k6"
    _bin = PEERS / "bin" / "k6"

    def missing(self) -> str | None:
        return None if self._bin.exists() else "not installed"

    def install(self) -> None:
        quietly(["go", "install", "go.k6.io/k6@latest"], GOBIN=str(self._bin.parent))

    def version(self) -> str:
        return last_line([str(self._bin), "version"])

    def command(self, load: Load, port: int, folder: Path, *, crash: bool) -> list[str]:
        told = [word for key, value in load.environment(port).items() for word in ("-e", f"{key}={value}")]
        quiet = ["--quiet", "--no-usage-report", "--log-output=none", "--summary-export", str(folder / "said.json")]
        return [str(self._bin), "run", *quiet, *told, str(SCRIPTS / f"k6_{load.kind}.js")]

    def said(self, folder: Path) -> Said:
        metrics = json.loads((folder / "said.json").read_bytes())["metrics"]
        took = metrics.get("ping_time") or metrics["http_req_duration"]
        failed = metrics.get("failed", {}).get("count", 0) + metrics.get("checks", {}).get("fails", 0)
        return Said(errors=failed, p99_ms=took["p(99)"])


TOOLS: tuple[Tool, ...] = (Chaosrun(), Locust(), Artillery(), K6())


def obtained(*, install: bool) -> tuple[dict[str, Tool], dict[str, str]]:
    """The tools that are here, installed where they were not, and why others are not."""
    here, absent = {}, {}
    for tool in TOOLS:
        why = tool.missing()
        if why is not None and install:
            print(f"installing {tool.name} into {PEERS} ...", flush=True)
            try:
                tool.install()
                why = tool.missing()
            except subprocess.CalledProcessError as error:
                why = f"cannot be installed: {last_of(error.stderr)}"
            except (OSError, subprocess.SubprocessError) as error:
                why = f"cannot be installed: {error}"
        if why is None:
            here[tool.name] = tool
        else:
            absent[tool.name] = why
    return here, absent


def quietly(command: list[str], cwd: Path | None = None, **environment: str) -> None:
    if shutil.which(command[0]) is None:
        raise FileNotFoundError(f"{command[0]} is not installed")
    told = os.environ | environment
    subprocess.run(command, check=True, capture_output=True, text=True, cwd=cwd, env=told, timeout=INSTALL_WITHIN_S)


def last_line(command: list[str]) -> str:
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    return last_of(done.stdout)


def last_of(text: str) -> str:
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")


def number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
