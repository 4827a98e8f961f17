"""The places that workers run at, by name."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from chaosrun.load.on_ray.cluster import RayCluster
from chaosrun.load.on_ray.wire import Options
from chaosrun.load.own_process import OwnProcesses
from chaosrun.load.place import Place
from chaosrun.spec.fleet import FleetKind, Ray


def place_of(
    kind: FleetKind, ray: Ray, *, run_dir: Path, origin_ns: int, most: int, hidden: Collection[str] = ()
) -> Place:
    """
    Args:
        ray: how, where it is on Ray.
        most: workers that would all have something to do.
        hidden: variables of the environment that processes of their own do not get.
    """
    if kind == "processes":
        return OwnProcesses(hidden)
    if kind == "ray":
        options = Options(address=ray.address, workers=ray.workers, resources=ray.resources, spread=ray.spread)
        return RayCluster(options, run_dir=run_dir, origin_ns=origin_ns, most=most, hidden=hidden)
    # With the worker comes all that clients speak, which an engine with processes has no use for.
    from chaosrun.load.in_process import Threads  # noqa: PLC0415

    return Threads()
