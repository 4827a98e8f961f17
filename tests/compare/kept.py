"""Runs as they are kept on disk, without one having run: results as of a run that recovered after some seconds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from zlib import crc32

from hand_built import EPISODE, PASSED
from msgspec.structs import replace

from chaosrun.conditions import Conditions
from chaosrun.scoring.result import RecoveryReport, Result, encode

CONDITIONS = Conditions(
    required={"steady_state.load.accounts.clients": "300", "machine.host": "here"},
    noted={"machine.kernel": "6.1"},
    under_test={"target.url": "ws://127.0.0.1:8001/ws"},
)
RELEASE_2 = replace(CONDITIONS, under_test={"target.url": "ws://127.0.0.1:8002/ws"}, noted={"machine.kernel": "6.2"})


def result(ttr: float | None, conditions: Conditions | None = CONDITIONS) -> Result:
    """None: it never recovered."""
    censored = 60.0 if ttr is None else None
    episode = replace(EPISODE, ttr_s=ttr, outage_s=ttr, ttr_censored_above_s=censored)
    fields = {name: getattr(episode, name) for name in EPISODE.__struct_fields__}
    return replace(PASSED, recovery=RecoveryReport(**fields, episodes=[episode]), conditions=conditions)


def keep(folder: Path, kept: Result) -> Path:
    """The folder of a run that has nothing but its result."""
    folder.mkdir(parents=True)
    (folder / "result.json").write_bytes(encode(kept))
    return folder


def keep_all(folder: Path, times: Sequence[float | None], conditions: Conditions | None = CONDITIONS) -> Path:
    """A folder with a run for each time to recover."""
    for number, ttr in enumerate(times, 1):
        run = folder / f"run-{number}"
        # One that began when another did, and lasted as long, would be a copy of it.
        keep(run, replace(result(ttr, conditions), duration_s=crc32(bytes(run)) / 1e6))
    return folder


def changed(conditions: Conditions, required: Mapping[str, str]) -> Conditions:
    return replace(conditions, required=conditions.required | required)
