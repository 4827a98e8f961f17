"""The published toxiproxy-node-client against the embedded proxy and the original: every method of its API.

The package ships no tests; those in `node_client/` are ours. npm fetches the package into a folder of the test.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from proxy_servers import Server

PACKAGE = "toxiproxy-node-client"
TESTS = Path(__file__).parent / "node_client" / "drive.test.js"


@pytest.fixture(scope="module", params=["4.0.0", "4.1.0"])
def installed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which Node finds the client."""
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not on the PATH; .ci/run installs it")
    folder = tmp_path_factory.mktemp("node")
    argv = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--no-save", f"{PACKAGE}@{request.param}"]
    subprocess.run(argv, cwd=folder, check=True, capture_output=True, timeout=100)
    return folder


@pytest.mark.live
def test_every_method_of_the_node_client_works(server: Server, installed: Path) -> None:
    done = subprocess.run(
        ["node", "--test", "--test-reporter=tap", str(TESTS)],
        cwd=installed,
        env={**os.environ, "TOXIPROXY_URL": f"http://{server.host}:{server.port}"},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    counted = {word: int(number) for word, number in re.findall(r"^# (tests|pass|fail) (\d+)$", done.stdout, re.M)}
    assert done.returncode == 0, done.stdout + done.stderr
    assert counted == {"tests": 15, "pass": 15, "fail": 0}
