"""What docs/ci.md offers to CI: run as it stands, in a fresh clone of this repository."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import yaml
from workflow_runner import Job

from chaosrun.errors import Exit

ROOT = Path(__file__).parents[2]
CI = ROOT / "docs" / "ci"


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """As `actions/checkout` makes one: the last commit, and nothing that lies beside it."""
    made = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", "--depth", "1", ROOT.as_uri(), str(made)], check=True, timeout=60)
    return made


@pytest.mark.live
@pytest.mark.timeout(300)
def test_the_workflow_of_github_runs_as_it_stands(clone: Path, tmp_path: Path) -> None:
    temp = tmp_path / "runner"
    temp.mkdir()
    job = Job(clone, temp)
    job.run(CI / "github.yml", "smoke")
    assert job.ran == [
        "actions/checkout",
        "actions/setup-python",
        "Install chaosrun",
        "Run the experiments",
        "actions/upload-artifact",
    ]
    [suite] = (job.artifacts["chaosrun"]).glob("*-suite")
    record = json.loads((suite / "suite.json").read_text())
    # On a busy machine a run proves nothing, and is no defect of the workflow: the job fails, as it should.
    assert job.failed == (record["exit_code"] != 0), job.out
    assert record["exit_code"] in (Exit.PASSED, Exit.INCONCLUSIVE), job.out
    assert [(run["state"], run["profile"]) for run in record["runs"]] == [("ran", "smoke")] * 2
    assert f"::notice title=chaosrun%3A {record['verdict']}::" in job.out
    assert (suite / "summary.md").read_text() == job.summary
    assert (suite / "suite.html").is_file()

    # An experiment that is not there: the job fails by the exit code, and what there is is still kept.
    (clone / "chaos.yml").write_text((CI / "github.yml").read_text().replace("server-restart", "no-such-experiment"))
    worse = Job(clone, temp, without=frozenset({"Install chaosrun"}))
    worse.run(clone / "chaos.yml", "smoke")
    assert worse.failed
    assert "::error title=chaosrun::" in worse.out
    assert worse.ran[-1] == "actions/upload-artifact"


@pytest.mark.live
@pytest.mark.timeout(200)
def test_the_script_for_any_ci_runs_as_it_stands(clone: Path) -> None:
    """With the chaosrun that is installed here: to install it is what the test above does."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [str(CI / "smoke.sh"), "experiments/control-noop.yaml"],
        cwd=clone, env=os.environ | {"PATH": path}, capture_output=True, text=True, check=False, timeout=100,
    )  # fmt: skip
    assert done.returncode in (Exit.PASSED, Exit.INCONCLUSIVE), done.stderr
    said = {Exit.PASSED: "The service came back", Exit.INCONCLUSIVE: "Nothing was proved"}[Exit(done.returncode)]
    assert said in done.stderr
    # The job of GitLab keeps the same files, by the same patterns.
    job = yaml.safe_load((CI / "gitlab-ci.yml").read_text())["chaos"]
    [report] = clone.glob(job["artifacts"]["reports"]["junit"])
    green = not list(ET.parse(report).getroot().iter("error"))
    assert green == (done.returncode == Exit.PASSED)


@pytest.mark.live
def test_a_mistake_in_an_experiment_fails_the_script_before_anything_is_run(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("title: 3\nmethod: 1\n")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [str(CI / "smoke.sh"), "bad.yaml"],
        cwd=tmp_path, env=os.environ | {"PATH": path}, capture_output=True, text=True, check=False, timeout=100,
    )  # fmt: skip
    assert done.returncode == Exit.USAGE
    assert "bad.yaml:2:" in done.stderr
    assert "There is no verdict" in done.stderr
    assert not (tmp_path / "reports").exists()


@pytest.mark.live
def test_the_job_of_gitlab_says_nothing_that_chaosrun_does_not_know() -> None:
    job = yaml.safe_load((CI / "gitlab-ci.yml").read_text())["chaos"]
    [command] = [shlex.split(line)[1:] for line in job["script"] if line.startswith("chaosrun ")]
    done = subprocess.run(
        [sys.executable, "-m", "chaosrun", *command, "--dry-run"],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=100,
    )  # fmt: skip
    assert done.returncode == Exit.PASSED, done.stderr
    assert job["allow_failure"]["exit_codes"] == Exit.INCONCLUSIVE
    assert job["artifacts"]["paths"] == [command[command.index("--report-dir") + 1]]
