"""The virtual machine of these tests: what it says of a command is what the command said, and nothing ends well by
accident.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from linux_vm import Machine, MachineFailed

pytestmark = [pytest.mark.live, pytest.mark.slow, pytest.mark.timeout(300)]

WITHIN_S = 120.0


def test_the_exit_code_and_the_output_are_those_of_the_command(vm: Machine, tmp_path: Path) -> None:
    code = vm.run(["sh", "-c", "echo said; uname -r; exit 42"], tmp_path / "results", within_s=WITHIN_S)
    assert code == 42
    assert (tmp_path / "results" / "output").read_text().split() == ["said", vm.parts.release]


def test_what_is_written_inside_changes_nothing_outside(vm: Machine, tmp_path: Path) -> None:
    there = tmp_path / "file"
    there.write_text("outside")
    code = vm.run(["sh", "-c", f"cat {there}; echo inside > {there}"], tmp_path / "results", within_s=WITHIN_S)
    assert code == 0
    assert (tmp_path / "results" / "output").read_text() == "outside"
    assert there.read_text() == "outside"


def test_a_kernel_that_panics_is_a_failure(vm: Machine, tmp_path: Path) -> None:
    with pytest.raises(MachineFailed, match=r"qemu ended with 0(?s:.*)panic"):
        vm.run(["sh", "-c", "echo c > /proc/sysrq-trigger"], tmp_path / "results", within_s=WITHIN_S)


def test_a_command_that_does_not_end_is_ended(vm: Machine, tmp_path: Path) -> None:
    with pytest.raises(MachineFailed, match="did not end within 15 s"):
        vm.run(["sleep", "600"], tmp_path / "results", within_s=15)


def test_the_interpreter_of_these_tests_runs_inside(vm: Machine, tmp_path: Path) -> None:
    code = vm.run([sys.executable, "-c", "import chaosrun"], tmp_path / "results", within_s=WITHIN_S)
    assert code == 0
