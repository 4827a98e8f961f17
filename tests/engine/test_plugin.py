"""A fault of another distribution, installed on the path: checked, put together, injected, and undone where this run is
not known."""

from __future__ import annotations

import asyncio
import importlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from chaosrun import registry
from chaosrun.assembly import Assembly, beginning
from chaosrun.errors import SpecError, UsageError
from chaosrun.identity import Identity
from chaosrun.journal import Journal
from chaosrun.method import Inject
from chaosrun.safety.held import held_by
from chaosrun.safety.standing import StandingFaults
from chaosrun.spec.loader import load_experiment

FLARE = '''
"""A solar flare: a file that is there while it burns."""

import msgspec
from pathlib import Path
from pydantic import BaseModel, ConfigDict
from chaosrun.faults._base import Confirmation, Fault
from chaosrun.records import Undo


class Spec(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    at_file: str


class Flare(Fault):
    kind = "solar_flare"

    def __init__(self, name, file):
        super().__init__(name, sustained=True)
        self._file = Path(file)

    def holds(self, ground):
        return [f"the sky over {ground.network}"]

    def plan(self, world, identifier):
        args = msgspec.Raw(msgspec.json.encode(str(self._file)))
        return Undo(id=identifier, kind=self.kind, what="put out the flare", identity={}, args=args)

    async def inject(self, world):
        self._file.write_text("burns")

    async def confirm(self, world):
        return Confirmation(self._file.exists(), "it burns")


def make(step):
    return Flare(step.name or step.fault, step.keys_of_its_own()["at_file"])


def undo(record):
    Path(msgspec.json.decode(record.args)).unlink(missing_ok=True)


def verify(record):
    return not Path(msgspec.json.decode(record.args)).exists()
'''

EXPERIMENT = """\
title: t
steady_state: {load: {a: {protocol: mt5, clients: 300, requests: 1/s}}}
target: {reference: mt5-bridge}
method: [{fault: solar_flare, name: flare, KEY: FILE, for: 100ms}, {fault: solar_flare, KEY: FILE}]
"""


def install(site: Path, name: str, source: str) -> None:
    """As pip does: the module, and beside it what says that it is a fault."""
    info = site / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (site / f"{name}.py").write_text(source)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[chaosrun.faults]\n{name} = {name}\n")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = tmp_path / "site"
    install(folder, "solar_flare", FLARE)
    monkeypatch.syspath_prepend(str(folder))
    importlib.invalidate_caches()
    registry._kinds.cache_clear()
    yield folder
    registry._kinds.cache_clear()
    sys.modules.pop("solar_flare", None)


class Nobody:
    """Nothing is started here, so nothing is told."""

    def spawned(self, role: str, identity: Identity) -> None:
        raise AssertionError

    def exited(self, role: str, identity: Identity, code: int | None, expected: bool) -> None:
        raise AssertionError


class Nowhere:
    def __init__(self) -> None:
        self.roles: dict[str, object] = {}

    def now(self) -> int:
        return time.monotonic_ns()


def written(folder: Path, key: str = "at_file") -> Path:
    path = folder / "e.yaml"
    path.write_text(EXPERIMENT.replace("KEY", key).replace("FILE", str(folder / "flare")))
    return path


UNDO_ELSEWHERE = """
import sys
from pathlib import Path
from chaosrun.recorded import read_lines
from chaosrun.records import Intent, Undone
from chaosrun.safety.undo import still_open, take_all_away
lines = read_lines(Path(sys.argv[1]))
found = still_open(lines.of(Intent), lines.of(Undone))
print([undo.id for undo in found], take_all_away(found, lambda *_: None))
"""


def test_it_works_from_the_file_to_the_undo_in_another_process(site: Path, tmp_path: Path) -> None:
    loaded = load_experiment(written(tmp_path))
    began = beginning(loaded, tmp_path, None)
    assert [(fault.kind, fault.sustained) for fault in began.plan.faults] == [("solar_flare", True)] * 2
    journal = Journal(tmp_path, "engine")
    method = Assembly(loaded, began, tmp_path, journal, Nobody()).method  # type: ignore[arg-type]
    faults = StandingFaults(Nowhere(), journal, lambda *_event: None)  # type: ignore[arg-type]
    flare = tmp_path / "flare"

    async def story() -> None:
        first, second = method
        assert isinstance(first, Inject) and isinstance(second, Inject)
        await faults.inject(first.fault, first.identifier, for_ns=first.for_ns)
        assert not flare.exists()
        await faults.inject(second.fault, second.identifier)

    asyncio.run(story())
    journal.flush()
    assert flare.exists()
    done = subprocess.run(
        [sys.executable, "-c", UNDO_ELSEWHERE, tmp_path],
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout == "['fault-2'] True\n", done.stderr
    assert not flare.exists()


def test_what_it_holds_is_kept_from_other_runs(site: Path, tmp_path: Path) -> None:
    assert held_by(load_experiment(written(tmp_path)).experiment) == ("the sky over this machine",)


def test_its_own_keys_are_checked_where_they_stand(site: Path, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"e\.yaml:4:53: method\.0\.at_fiel: unknown key 'at_fiel'"):
        load_experiment(written(tmp_path, "at_fiel"))


def test_a_package_that_cannot_be_imported_is_named(site: Path) -> None:
    install(site, "sun_spot", "import no_such_module_at_all")
    importlib.invalidate_caches()
    registry._kinds.cache_clear()
    with pytest.raises(UsageError, match=r"'sun_spot' of sun_spot cannot be loaded .*no_such_module_at_all.*uninstall"):
        registry.load("faults", "sun_spot")


def test_an_undo_whose_package_is_gone_is_left_and_said_and_keeps_none_of_the_others(tmp_path: Path) -> None:
    from chaosrun.records import Undo
    from chaosrun.safety.undo import take_all_away

    records = [Undo(id=kind, kind=kind, what=kind, identity={}) for kind in ("uninstalled", "noop")]
    told: dict[str, str] = {}
    assert not take_all_away(records, lambda record, outcome: told.update({record.id: outcome.error}))
    assert told["uninstalled"].startswith("no fault 'uninstalled'; known: ")
    assert told["noop"] == ""
