"""The original's own tests of its API, run against the embedded proxy.

They come from the Go module proxy, are compiled by the test and talk to 127.0.0.1:8475. There they would start a server
of the original; that finds the port taken, and nobody is told.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from proxy_servers import Server, start_embedded

MODULE = "github.com/Shopify/toxiproxy/v2@v2.12.0"
PORT = 8475
VERSION = "TestVersionEndpointReturnsVersion"
"""It wants the version `git` of a server that was built without one, and so shows who answers."""


class Compiled(NamedTuple):
    """The test program, and where it is to be run."""

    program: Path
    folder: Path
    names: list[str]


def go(*argv: str, cwd: Path | None = None) -> str:
    done = subprocess.run(["go", *argv], cwd=cwd, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Compiled:
    if shutil.which("go") is None:
        pytest.skip("go is not on the PATH")
    folder = Path(json.loads(go("mod", "download", "-json", MODULE))["Dir"])
    program = tmp_path_factory.mktemp("go") / "api.test"
    go("test", "-c", "-o", str(program), ".", cwd=folder)
    names = re.findall(r"^func (Test\w+)", (folder / "api_test.go").read_text(), re.M)
    return Compiled(program, folder, names)


@pytest.fixture
def here() -> Iterator[Server]:
    """The embedded proxy where those tests look for theirs."""
    with start_embedded("--port", str(PORT)) as server:
        yield server


def run(compiled: Compiled, name: str) -> tuple[bool, str]:
    """Whether one of the tests passes, and what it says."""
    argv = [str(compiled.program), "-test.run", f"^{name}$", "-test.v"]
    done = subprocess.run(argv, cwd=compiled.folder, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode == 0 and f"--- PASS: {name} " in done.stdout, done.stdout + done.stderr


@pytest.mark.live
@pytest.mark.timeout(700)
def test_the_tests_of_the_original_pass(compiled: Compiled, here: Server) -> None:
    passed, said = run(compiled, VERSION)
    assert not passed
    assert "+chaosrun-" in said
    failed = {}
    for name in compiled.names:
        passed, said = run(compiled, name)
        if not passed:
            failed[name] = said
        here.clear()
    assert set(failed) == {VERSION}, "\n".join(failed.values())
    assert len(compiled.names) == 34
