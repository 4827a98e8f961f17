"""The reports of a run as files in its folder: which are written, and what happens when one cannot be."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint
from pathlib import Path
from types import SimpleNamespace

import pytest
from small_run import GROUP, record

from chaosrun import registry
from chaosrun.errors import Exit, UsageError
from chaosrun.journal import Journal
from chaosrun.kept_runs import read_assessed
from chaosrun.outcome import score
from chaosrun.plan import Plan
from chaosrun.recorded import ENGINE
from chaosrun.records import Began
from chaosrun.reports._base import ScoredRun
from chaosrun.reports._files import draw_reports

Render = Callable[[ScoredRun], Mapping[str, bytes]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    record(tmp_path)
    return tmp_path


@pytest.fixture
def offered(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Offers reports by entry points, as other distributions do."""

    def offer(**reports: Render) -> None:
        class Point(EntryPoint):
            def load(self) -> object:
                return SimpleNamespace(render=reports[self.name])

        points = [Point(name=name, value=f"{name}:module", group="chaosrun.reports") for name in reports]
        monkeypatch.setattr(registry, "entry_points", lambda *, group: points if group == "chaosrun.reports" else [])
        registry._kinds.cache_clear()

    yield offer
    registry._kinds.cache_clear()


def title(run: ScoredRun) -> Mapping[str, bytes]:
    return {"title.txt": run.result.title.encode()}


def broken(run: ScoredRun) -> Mapping[str, bytes]:
    raise KeyError("colour")


def far_away(run: ScoredRun) -> Mapping[str, bytes]:
    return {"../elsewhere.txt": b""}


def test_a_run_that_is_scored_has_its_reports(folder: Path, offered: Callable[..., None]) -> None:
    offered(title=title)
    outcome = score(folder, draw_reports)
    assert (folder / "title.txt").read_bytes() == b"t"
    assert outcome.undrawn == []
    assert outcome.exit == outcome.result.exit_code


def test_a_report_that_breaks_keeps_no_other_from_being_drawn_and_shows_in_the_exit_code(
    folder: Path, offered: Callable[..., None]
) -> None:
    offered(broken=broken, title=title)
    outcome = score(folder, draw_reports)
    assert (folder / "title.txt").exists()
    assert (folder / "result.json").exists()
    (error,) = outcome.undrawn
    assert str(error) == "the report 'broken' could not be drawn (KeyError: 'colour')"
    assert outcome.exit is Exit.DEFECT
    assert outcome.result.exit_code != Exit.DEFECT


def test_a_report_writes_into_no_other_folder(folder: Path, offered: Callable[..., None]) -> None:
    offered(far=far_away)
    (error,) = draw_reports(folder, read_assessed(folder), ["far"])
    assert "'../elsewhere.txt' is not the name of a file" in str(error)
    assert not (folder.parent / "elsewhere.txt").exists()


def test_a_folder_that_cannot_be_written_to_is_told_of_once(folder: Path, offered: Callable[..., None]) -> None:
    offered(one=title, two=title)
    assessed = read_assessed(folder)
    (error,) = draw_reports(folder / "gone", assessed, ["one", "two"])
    assert "cannot be written" in str(error)


def test_only_the_kinds_that_are_named_are_drawn(folder: Path, offered: Callable[..., None]) -> None:
    offered(title=title, broken=broken)
    assert draw_reports(folder, read_assessed(folder), ["title"]) == []
    with pytest.raises(UsageError, match=r"no report 'titel'.*did you mean 'title'"):
        draw_reports(folder, read_assessed(folder), ["titel"])


def test_a_report_that_is_drawn_again_tells_the_result_that_was_kept(folder: Path) -> None:
    score(folder)
    kept = (folder / "result.json").read_bytes()
    (folder / "result.json").write_bytes(kept.replace(b'"title": "t"', b'"title": "as it was told then"'))
    assert read_assessed(folder).result.title == "as it was told then"


def test_a_run_that_was_cut_off_before_its_first_phase_has_every_report(tmp_path: Path) -> None:
    journal = Journal(tmp_path, ENGINE)
    journal.append(Began(t=0, run="r", chaosrun_version="0", title="t", plan=Plan(groups=(GROUP,))))
    journal.close()
    outcome = score(tmp_path, draw_reports)
    assert outcome.undrawn == []
    assert outcome.result.verdict == "inconclusive"
    assert "Inconclusive" in (tmp_path / "report.html").read_text(encoding="utf-8")
