"""A secret is planted in every place that takes one; afterwards every file and every byte printed is searched."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from e2e_running import chaosrun, free_port

FILE = Path(__file__).with_name("wrong_token.yaml")
SECRET = 'S3cr3t-"quoted"-währung'


@pytest.mark.parametrize("works", [True, False])
def test_a_secret_is_in_no_file_of_the_run_and_in_nothing_that_is_printed(tmp_path: Path, works: bool) -> None:
    env = {
        "CHAOSRUN_TEST_PYTHON": sys.executable if works else "/nonexistent/python",
        "CHAOSRUN_TEST_PORT": str(free_port()),
        "CHAOSRUN_TEST_TOKEN": SECRET,
    }
    finished = chaosrun(FILE, reports=tmp_path, env=env).finish()
    assert finished.code == (3 if works else 69), finished.err
    files = [Path(base) / name for base, _, names in os.walk(tmp_path) for name in names]
    assert files, "there is something to search"
    needles = [SECRET.encode(), SECRET.encode("unicode_escape"), b"S3cr3t"]
    for needle in needles:
        assert needle not in finished.out.encode()
        assert needle not in finished.err.encode()
        assert [path for path in files if needle in path.read_bytes()] == []
