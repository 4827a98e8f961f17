"""Runs the steps of a workflow of GitHub Actions as they stand, those of a composite action in the repository included.

What a runner of GitHub does and this does not is named: the actions of `STAND_INS` are not fetched, and what they would
do is told below; of expressions there is only what the workflows here use, and any other is an error.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

STAND_INS = {
    "actions/checkout": "the clone is there already",
    "actions/setup-python": "the Python of the tests stands in for the one that would be set up",
    "actions/upload-artifact": "the files are copied to a folder instead",
}
_EXPRESSION = re.compile(r"\$\{\{\s*(.+?)\s*\}\}")


@dataclass
class Job:
    """A job on its way, in a clone of a repository."""

    clone: Path
    temp: Path
    without: frozenset[str] = frozenset()
    """Steps by their names that are left out, for what they do was done by a job before."""
    failed: bool = False
    ran: list[str] = field(default_factory=list)
    """The steps that were run, by their names."""
    out: str = ""
    artifacts: dict[str, Path] = field(default_factory=dict)

    def run(self, workflow: Path, name: str) -> None:
        """All steps of a job, in their order."""
        job = yaml.safe_load(workflow.read_text())["jobs"][name]
        self._steps(job["steps"], {})

    @property
    def summary(self) -> str:
        file = self.temp / "summary"
        return file.read_text() if file.exists() else ""

    def _steps(self, steps: list[dict[str, Any]], known: dict[str, str]) -> None:
        """Steps one after another; those after one that failed only where they say `always()`."""
        for number, step in enumerate(steps, 1):
            if step.get("name") in self.without or not self._applies(step.get("if"), known):
                continue
            if "uses" in step:
                self._use(step, known)
            else:
                self._script(step, known, number)

    def _applies(self, condition: str | None, known: Mapping[str, str]) -> bool:
        if condition is None:
            return not self.failed
        parts = [part.strip() for part in _inside(condition).split("&&")]
        for part in parts:
            if part == "always()":
                continue
            left, sign, right = part.partition(" != ")
            assert sign, f"{part}: no such condition is known here"
            if known[left] == right.strip("'"):
                return False
        return "always()" in parts or not self.failed

    def _use(self, step: dict[str, Any], known: dict[str, str]) -> None:
        given = {key: _filled(str(value), known) for key, value in step.get("with", {}).items()}
        action, _, _version = step["uses"].partition("@")
        if action.startswith("./"):
            self._composite(self.clone / action, given)
            return
        assert action in STAND_INS, f"{action}: nothing stands in for it"
        self.ran.append(action)
        if action == "actions/setup-python":
            known[f"steps.{step['id']}.outputs.python-path"] = sys.executable
        if action == "actions/upload-artifact" and (self.clone / given["path"]).exists():
            kept = self.temp / "artifacts" / given["name"]
            shutil.copytree(self.clone / given["path"], kept, dirs_exist_ok=True)
            self.artifacts[given["name"]] = kept

    def _composite(self, folder: Path, given: Mapping[str, str]) -> None:
        action = yaml.safe_load((folder / "action.yml").read_text())
        assert set(given) <= set(action["inputs"]), "an input that the action does not know"
        known = {"github.action_path": str(folder.resolve())}
        for name, declared in action["inputs"].items():
            assert name in given or not declared.get("required"), f"{name} is required"
            known[f"inputs.{name}"] = given.get(name, declared.get("default", ""))
        assert action["runs"]["using"] == "composite"
        self._steps(action["runs"]["steps"], known)

    def _script(self, step: dict[str, Any], known: dict[str, str], number: int) -> None:
        name = step.get("name", f"step {number}")
        self.ran.append(name)
        assert step.get("shell", "bash") == "bash"
        assert not _EXPRESSION.search(step["run"]), "an expression in a script is code that others may write"
        script, output = self.temp / f"step-{len(self.ran)}.sh", self.temp / f"output-{len(self.ran)}"
        script.write_text(step["run"])
        output.touch()
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(script)],
            cwd=self.clone,
            env=self._environment(output) | {key: _filled(str(v), known) for key, v in step.get("env", {}).items()},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=300,
        )
        self.out += done.stdout
        for line in output.read_text().splitlines():
            key, _, value = line.partition("=")
            known[f"steps.{step['id']}.outputs.{key}"] = value
        self.failed = self.failed or done.returncode != 0

    def _environment(self, output: Path) -> dict[str, str]:
        """As a runner gives it: nothing of the environment in which the tests were installed."""
        own = {"VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME"}
        bin_folder = str(Path(sys.executable).parent)
        path = os.pathsep.join(each for each in os.environ["PATH"].split(os.pathsep) if each != bin_folder)
        return {key: text for key, text in os.environ.items() if key not in own} | {
            "PATH": path,
            "CI": "true",
            "GITHUB_ACTIONS": "true",
            "GITHUB_WORKSPACE": str(self.clone),
            "GITHUB_OUTPUT": str(output),
            "GITHUB_STEP_SUMMARY": str(self.temp / "summary"),
            "RUNNER_TEMP": str(self.temp),
        }


def _filled(text: str, known: Mapping[str, str]) -> str:
    return _EXPRESSION.sub(lambda found: known[found[1]], text)


def _inside(condition: str) -> str:
    found = _EXPRESSION.fullmatch(condition.strip())
    return found[1] if found else condition
