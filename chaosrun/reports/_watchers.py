"""Several who watch one run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from chaosrun.engine import Watcher
from chaosrun.guards.watch import GuardNow
from chaosrun.load.live import FleetNow
from chaosrun.plan import Plan
from chaosrun.records import Resource


class Together:
    """A `Watcher` that tells others, in their order."""

    def __init__(self, *watchers: Watcher) -> None:
        self._watchers: Sequence[Watcher] = watchers

    def began(self, folder: Path, title: str, plan: Plan) -> None:
        for watcher in self._watchers:
            watcher.began(folder, title, plan)

    def phase(self, name: str, planned_ns: int | None) -> None:
        for watcher in self._watchers:
            watcher.phase(name, planned_ns)

    def fault(self, name: str, event: str, detail: str) -> None:
        for watcher in self._watchers:
            watcher.fault(name, event, detail)

    def live(self, live: FleetNow, resources: Mapping[str, Resource]) -> None:
        for watcher in self._watchers:
            watcher.live(live, resources)

    def guards(self, guards: Sequence[GuardNow], armed: bool) -> None:
        for watcher in self._watchers:
            watcher.guards(guards, armed)

    def note(self, text: str) -> None:
        for watcher in self._watchers:
            watcher.note(text)
