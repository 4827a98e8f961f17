"""A reference service by hand: `chaosrun serve mt5-bridge`, in the foreground until Ctrl-C."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Mapping
from pathlib import Path

import yaml

from chaosrun.identity import Identity
from chaosrun.targets.reference import ReferenceTarget

Say = Callable[[str], None]


async def serve(
    name: str,
    *,
    directory: Path,
    say: Say,
    options: Mapping[str, object] | None = None,
    env: Mapping[str, str] | None = None,
    port: int | None = None,
) -> None:
    """Runs the service until SIGINT or SIGTERM; `say` gets lines for people, `directory` the logs.

    Raises `UsageError` for an unknown service or option, `Unavailable` when it does not start.
    """
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    run = f"serve-{os.getpid()}"
    target = ReferenceTarget(
        name, run=run, directory=directory, observer=_Telling(say), options=options, env=env, port=port
    )
    try:
        await target.start()
        say(f"{name} serves {target.url} (logs in {directory}); Ctrl-C ends it\n")
        say(f"As the target of an experiment:\n\n{target_yaml(target)}")
        await stop.wait()
    finally:
        await target.stop()


def target_yaml(target: ReferenceTarget) -> str:
    """The `target` mapping that points an experiment at a service that runs on its own."""
    roles = {}
    for name, role in target.roles.items():
        # What an experiment starts again is not to end with the experiment.
        argv = [each for each in role.argv if each != "--die-with-stdin"]
        selector = {"name": Path(argv[0]).name, "cmdline_contains": [f"--port {target.ports[name]} "], "start": argv}
        roles[name] = {"process": selector} | ({} if role.admin is None else {"admin": role.admin})
    text: str = yaml.safe_dump({"target": {"url": target.base_url, "roles": roles}}, sort_keys=False, width=1000)
    return text


class _Telling:
    """Tells people of processes that end unasked."""

    def __init__(self, say: Say) -> None:
        self._say = say

    def spawned(self, role: str, identity: Identity) -> None:
        self._say(f"{role} is process {identity.pid}")

    def exited(self, role: str, identity: Identity, code: int | None, expected: bool) -> None:
        if not expected:
            self._say(f"{role} (process {identity.pid}) ended with {code}")
