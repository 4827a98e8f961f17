from __future__ import annotations

import io
import os
import pty
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from chaosrun.load.live import FleetNow, GroupNow
from chaosrun.load.wire import GroupLive
from chaosrun.plan import GroupPlan, Plan
from chaosrun.records import Resource
from chaosrun.reports import _progress
from chaosrun.reports._display import Display
from chaosrun.reports._progress import Lines, watching
from chaosrun.reports._view import View

SECOND = 1_000_000_000
PLAN = Plan(groups=(GroupPlan(name="users", clients=10),))
RESOURCES = {"server": Resource(t=0, role="server", cpu=0.31, memory=61_000_000)}


def fleet(t: int = SECOND) -> FleetNow:
    counts = GroupLive(
        name="users", clients=10, planned=10, usable=7, due=100, bad=5, replies=95, pushes=40, disconnects=3,
        errors={"rst": 3},
    )  # fmt: skip
    return FleetNow(t=t, groups=(GroupNow(counts, 1_200_000, 4_000_000),), lag_max_ns=40_000_000)


def told(view: View) -> None:
    view.began(Path("reports/x"), "a title with tok3n-secret", PLAN)
    view.phase("baseline", 5 * SECOND)
    view.live(fleet(), RESOURCES)
    view.fault("crash \x1b[31m", "confirmed", "the kernel said so")
    view.note("stopped by SIGINT\nverdict: passed")


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    monkeypatch.setattr(_progress, "STATUS_EVERY_S", 0.0)
    file = tmp_path / "stderr"
    with (
        file.open("w", encoding="utf-8") as stream,
        watching(live=True, secrets=["tok3n-secret"], stream=stream) as view,
    ):
        assert isinstance(view, Lines)
        told(view)
    return file.read_text(encoding="utf-8").splitlines()


def test_without_a_terminal_each_event_is_one_line(lines: list[str]) -> None:
    run, phase, load, fault, note = lines
    assert "run" in run
    assert "clients=10" in run
    assert "name=baseline" in phase
    assert "planned='5 s'" in phase
    assert "usable=7/10" in load
    assert "cpu_server=31%" in load
    assert "what=confirmed" in fault
    assert "stopped by SIGINT verdict: passed" in note


def test_lines_hold_no_secret_and_no_escape(lines: list[str]) -> None:
    text = "\n".join(lines)
    assert "tok3n-secret" not in text
    assert "***" in text
    assert "\x1b" not in text


def test_nobody_waits_for_a_reader_that_does_not_read() -> None:
    """Not the caller, not the end of the context, and not the end of the interpreter."""
    program = (
        "from chaosrun.reports._progress import watching\n"
        "with watching(live=False, secrets=()) as view:\n"
        "    for number in range(5000):\n"
        "        view.note('a note of some length, to fill the pipe sooner')\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE) as process:
        assert process.wait(60) == 0
        assert process.stderr is not None
        assert b"a note of some length" in process.stderr.read()


def test_nobody_waits_for_a_terminal_that_stands_still() -> None:
    program = (
        "import time\n"
        "from chaosrun.reports._progress import watching\n"
        "with watching(live=True, secrets=()) as view:\n"
        "    for number in range(30):\n"
        "        view.note('a long note ' * 1000)\n"
        "        time.sleep(0.1)\n"
    )
    master, slave = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "20000", "LINES": "200"}
    with subprocess.Popen([sys.executable, "-c", program], stderr=slave, env=environment) as process:
        os.close(slave)
        assert process.wait(60) == 0
    os.close(master)


def test_a_reader_that_has_gone_does_not_end_the_run() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as stream, watching(live=False, secrets=(), stream=stream) as view:
        told(view)
        told(view)


def test_on_a_terminal_the_display_is_drawn_in_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    master, slave = pty.openpty()
    seen = bytearray()

    def read() -> None:
        while b"\x1b[?25h" not in seen:  # the cursor is shown again at the end
            seen.extend(os.read(master, 65536))

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    with os.fdopen(slave, "w", encoding="utf-8") as stream:
        with watching(live=True, secrets=(), stream=stream) as view:
            assert isinstance(view, Display)
            told(view)
        reader.join(10)
    os.close(master)
    assert b"baseline" in seen


def test_no_live_gives_lines_on_a_terminal_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    master, slave = pty.openpty()
    with os.fdopen(slave, "w", encoding="utf-8") as stream, watching(live=False, secrets=(), stream=stream) as view:
        assert isinstance(view, Lines)
    os.close(master)


@pytest.fixture
def display() -> Iterator[Display]:
    """One that is never put on a screen: only its picture is looked at."""
    with Path(os.devnull).open("w") as stream:
        yield Display(stream, ["tok3n-secret"])


def picture(display: Display, width: int) -> str:
    console = Console(file=io.StringIO(), width=width, force_terminal=False, legacy_windows=False)
    console.print(display.draw())
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize("width", [40, 80, 120])
def test_the_picture_fits_any_width_from_its_first_moment_on(display: Display, width: int) -> None:
    assert picture(display, width)
    told(display)
    text = picture(display, width)
    assert all(len(line) <= width for line in text.splitlines())
    assert "tok3n-secret" not in text
    assert "\x1b" not in text


def test_the_picture_shows_what_matters(display: Display) -> None:
    told(display)
    text = picture(display, 120)
    for part in ("CONFIRMED", "7/10", "4 ms", "rst 3", "server 31%", "our event loop lagged 40 ms", "s left"):
        assert part in text


def test_a_run_of_several_says_which_one_it_is(tmp_path: Path) -> None:
    file = tmp_path / "stderr"
    with (
        file.open("w", encoding="utf-8") as stream,
        watching(live=False, secrets=["tok3n-secret"], heading="run 2 of 6 with tok3n-secret", stream=stream) as view,
    ):
        told(view)
    first = file.read_text(encoding="utf-8").splitlines()[0]
    assert "run 2 of 6 with ***" in first

    with Path(os.devnull).open("w") as stream:
        display = Display(stream, ["tok3n-secret"], "run 2 of 6 with tok3n-secret")
    told(display)
    assert "run 2 of 6 with ***" in picture(display, 80)
    display.phase("cool-down", 5 * SECOND)
    assert "cool-down" in picture(display, 40)
