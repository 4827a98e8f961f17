"""The bench of the peers works, with Locust and whatever else of them is installed. What it measures is not judged."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from peer_bench import Crashed, Held, crash_table, held_table  # noqa: E402
from peer_tools import OURS, Load, Locust, Said, artillery_script, obtained  # noqa: E402

ROOT = HERE.parents[1]
PINGS = Load("pings", clients=10, every_s=0.2, seconds=5)


@pytest.fixture(scope="module")
def with_locust() -> None:
    tool = Locust()
    if tool.missing() is not None:
        try:
            tool.install()
        except (OSError, subprocess.SubprocessError) as error:
            pytest.skip(f"Locust cannot be installed: {error}")


@pytest.mark.slow
@pytest.mark.live
@pytest.mark.timeout(900)
@pytest.mark.usefixtures("with_locust")
def test_every_peer_that_is_installed_is_measured_beside_chaosrun() -> None:
    tools, absent = obtained(install=False)
    assert {OURS, "Locust"} <= tools.keys()
    command = [sys.executable, str(HERE / "peer_bench.py"), "--quick", "--no-install"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=850, check=False)
    assert done.returncode == 0, done.stderr
    assert "went wrong" not in done.stdout
    for name in absent:
        assert re.search(rf"^{name} +not available: ", done.stdout, re.MULTILINE)
    for name in tools:
        rows = re.findall(rf"^ .*\b{name} .*\d", done.stdout, re.MULTILINE)
        assert len(rows) == 1 + 5 + 4, done.stdout  # the crash, the pings, and the pages, whose connections no log has
    told = dict(re.findall(r"^  (\w+) +\d+ .*?(not told|left no report| s ± )", done.stdout, re.MULTILINE))
    assert told["Locust"] == "not told"


def test_ratios_are_of_one_round_and_a_missing_figure_is_no_zero(capsys: pytest.CaptureFixture[str]) -> None:
    ours, peer = Held(2.0, 4.0, 100.0, 400.0, 1.0), Held(1.0, 6.0, 50.0, 300.0, None)
    slow = Held(20.0, 40.0, 100.0, 400.0, 1.0)
    held_table({OURS: {0: ours, 1: slow}, "Locust": {1: peer}}, PINGS)
    lines = [line.split() for line in capsys.readouterr().out.splitlines() if "Locust" in line]
    assert [line[-1] for line in lines] == ["0.05", "0.15", "0.50", "0.75"]


def test_who_left_no_report_is_not_said_to_have_seen_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    import peer_bench

    crash_table({"Artillery": Crashed(11, 0, None, Said(report=False))}, peer_bench.QUICK)
    line = next(line for line in capsys.readouterr().out.splitlines() if "Artillery" in line)
    assert line.split() == ["Artillery", "11", "-", "-", "0", "-", "left", "no", "report"]


def test_a_user_of_artillery_pings_as_often_as_the_others_do() -> None:
    script = artillery_script(PINGS, 9300)
    (loop,) = script["scenarios"][0]["flow"]
    assert loop["count"] == 25
    assert loop["loop"][1] == {"think": "200ms"}
    assert script["config"]["phases"] == [{"duration": 1, "arrivalCount": 10}]
