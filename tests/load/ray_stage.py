"""A Ray cluster of several nodes on this machine, in a network of its own."""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import own_network
import pytest

MISSING = next(
    (
        why
        for why, missing in (
            ("the package ray is not installed (extra `ray`)", importlib.util.find_spec("ray") is None),
            ("a network namespace needs root", os.geteuid() != 0),
        )
        if missing
    ),
    None,
)


@contextlib.contextmanager
def cluster(nodes: int = 2, **head: Any) -> Iterator[Any]:
    """A `ray.cluster_utils.Cluster`: the head and so many nodes in all, each with two CPUs to reserve."""
    if MISSING is not None:
        pytest.skip(MISSING)
    from ray.cluster_utils import Cluster

    folder = tempfile.mkdtemp(prefix="cr-ray-")  # paths of Unix sockets are short
    Path(folder, "ray").mkdir()  # where a cluster writes its address for all of this machine
    logging.getLogger("ray").setLevel(logging.ERROR)
    with pytest.MonkeyPatch.context() as patch, own_network.entered():
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_TMPDIR", folder)
        made = Cluster(shutdown_at_exit=False)
        try:
            options = {"num_cpus": 2, "node_ip_address": "127.0.0.1", "include_dashboard": False, "temp_dir": folder}
            for _ in range(nodes):
                made.add_node(**options, **head)
            yield made
        finally:
            made.shutdown()
            shutil.rmtree(folder, ignore_errors=True)


def alive(made: Any) -> set[str]:
    """The ids of the nodes that the cluster knows as alive."""
    return {node["NodeID"] for node in made.global_state.node_table() if node["Alive"]}


def until(done: Callable[[], bool], within_s: float = 30) -> None:
    deadline = time.monotonic() + within_s
    while not done():
        assert time.monotonic() < deadline, f"not within {within_s} s"
        time.sleep(0.1)


@contextlib.contextmanager
def node_of_another_time(made: Any, seconds: int) -> Iterator[None]:
    """A further node with a resource `ahead`, whose monotonic clock is so many seconds ahead (time_namespaces(7))."""
    # With numbers of its own for processes, so that all of it ends with the first of them.
    own = ["unshare", "--pid", "--mount-proc", "--fork", "--kill-child"]
    ahead = ["--time", "--monotonic", str(seconds), "--boottime", str(seconds)]
    ray = Path(sys.executable).with_name("ray")
    start = [ray, "start", "--block", "--address", made.address, "--node-ip-address=127.0.0.1", "--num-cpus=2"]
    before = len(alive(made))
    process = subprocess.Popen(
        [*own, *ahead, *start, '--resources={"ahead": 2}'], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        until(lambda: len(alive(made)) > before)
        yield
    finally:
        process.kill()
        process.wait(10)
        until(lambda: len(alive(made)) == before)
