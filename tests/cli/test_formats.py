"""`--format github` and `--format junit`: what standard output gets, of results and of errors."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "engine"))
from small_run import record

Call = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    folder.mkdir()
    record(folder)
    return folder


@pytest.mark.slow
def test_junit_is_alone_on_standard_output_and_the_same_as_the_file(chaosrun: Call, recorded: Path) -> None:
    done = chaosrun("score", recorded, "--format", "junit")
    assert ET.fromstring(done.stdout.encode()).tag == "testsuites"
    assert done.stdout == (recorded / "junit.xml").read_text()


@pytest.mark.slow
def test_github_gets_the_summary_held_back_and_then_the_annotations(chaosrun: Call, recorded: Path) -> None:
    done = chaosrun("score", recorded, "--format", "github")
    lines = done.stdout.splitlines()
    token = lines[0].removeprefix("::stop-commands::")
    assert len(token) == 32
    end = lines.index(f"::{token}::")
    assert "INCONCLUSIVE" in "".join(lines[1:end])
    told = lines[end + 1 :]
    assert told
    assert all(line.startswith(("::error ", "::warning ", "::notice ")) for line in told)
    assert told[-1].startswith("::notice title=chaosrun%3A inconclusive::t: ")


def test_a_file_that_is_wrong_is_annotated_line_by_line(chaosrun: Call, tmp_path: Path) -> None:
    (tmp_path / "wrong.yaml").write_text("title: x\nfoo: 1\n")
    done = chaosrun("wrong.yaml", "--format", "github", env={"GITHUB_WORKSPACE": str(tmp_path)})
    assert done.returncode == 2
    annotated = [line for line in done.stdout.splitlines() if "unknown key 'foo'" in line]
    assert annotated[0].startswith("::error file=wrong.yaml,line=2,col=1,title=chaosrun::foo: unknown key 'foo'")
    assert "wrong.yaml:2:1: foo: unknown key 'foo'" in done.stderr


@pytest.mark.parametrize("form", ["github", "junit"])
def test_a_plan_has_no_form_in_which_it_is_judged(chaosrun: Call, repository: Path, form: str) -> None:
    done = chaosrun(repository / "experiments" / "server-restart.yaml", "--dry-run", "--format", form)
    assert done.returncode == 2
    assert f"--dry-run has no --format {form}, for nothing is judged; say text or json" in done.stderr


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--metrics", "nowhere"), "--metrics 'nowhere': say an address and a port, as in 127.0.0.1:9464"),
        (("--metrics", "127.0.0.1:1", "--metrics-port", "2"), "give one of them"),
    ],
)
def test_where_metrics_cannot_be_is_told_before_anything(
    chaosrun: Call, repository: Path, options: tuple[str, ...], told: str
) -> None:
    done = chaosrun(repository / "experiments" / "server-restart.yaml", *options)
    assert done.returncode == 2
    assert told in done.stderr
