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
from msgspec.structs import replace
from rich.console import Console

from chaosrun.guards.watch import GuardNow
from chaosrun.load.live import FleetNow, GroupNow
from chaosrun.load.wire import GroupLive
from chaosrun.plan import FaultPlan, GroupPlan, Plan
from chaosrun.records import Resource
from chaosrun.reports import _progress
from chaosrun.reports._display import Display
from chaosrun.reports._progress import Lines, watching
from chaosrun.reports._view import View

SECOND = 1_000_000_000
PLAN = Plan(groups=(GroupPlan(name="users", clients=10),))
CALM = GuardNow("cpu of server above 90% for 20s", "server", 0.0, "31%")
BURNING = GuardNow("usable below 80% for 30s tok3n-secret", "users", 0.4, "70%")
RESOURCES = {"server": Resource(t=0, role="server", cpu=0.31, memory=61_000_000)}


def fleet(t: int = SECOND) -> FleetNow:
    counts = GroupLive(
        name="users", clients=10, planned=12, counted=10, usable=7, due=100, bad=5, replies=95, pushes=40,
        disconnects=3, unanswered=2, in_flight=6, errors={"rst": 3},
    )  # fmt: skip
    return FleetNow(t=t, groups=(GroupNow(counts, 1_200_000, 4_000_000),), lag_max_ns=40_000_000)


def told(view: View) -> None:
    view.began(Path("reports/x"), "a title with tok3n-secret", PLAN)
    view.phase("baseline", 5 * SECOND)
    view.live(fleet(), RESOURCES)
    view.fault("crash \x1b[31m", "confirmed", "the kernel said so")
    view.guards([CALM, BURNING], armed=True)
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


def test_a_guard_that_burns_is_on_the_line_of_the_load(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(_progress, "STATUS_EVERY_S", 0.0)
    file = tmp_path / "stderr"
    with file.open("w") as stream, watching(live=False, secrets=["tok3n-secret"], stream=stream) as view:
        view.guards([CALM], armed=True)
        view.live(fleet(), RESOURCES)
        view.guards([CALM, BURNING], armed=True)
        view.live(fleet(2 * SECOND), RESOURCES)
        view.guards([CALM, BURNING], armed=False)
        view.live(fleet(3 * SECOND), RESOURCES)
    calm, burning, off = file.read_text().splitlines()
    assert "guard=" not in calm
    assert "guard='usable below 80% for 30s *** (users): burning 40%, reads 70%'" in burning
    assert "guard=" not in off


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
    for part in ("CONFIRMED", "7/10", "4 ms", "rst 3", "server 31%", "event loop was 40 ms late", "s left"):
        assert part in text


def test_the_guards_are_told_the_one_nearest_to_ending_the_run_first(display: Display) -> None:
    told(display)
    lines = [line for line in picture(display, 120).splitlines() if line.startswith("guard ")]
    assert lines == [
        "guard   BURNING 40% usable below 80% for 30s *** (users): reads 70%",
        "guard   calm cpu of server above 90% for 20s: reads 31%",
    ]
    display.guards([CALM] * 5, armed=True)
    assert "and 2 more guards" in picture(display, 80)
    display.guards([GuardNow("g", "users", 0.0, "nothing was heard of the load yet", blind=True)], armed=True)
    assert "blind g (users): nothing was heard of the load yet" in picture(display, 80)
    display.guards([BURNING], armed=False)
    assert "guard   off usable" in picture(display, 80)


def test_before_the_fault_there_is_a_word_of_what_is_to_come(display: Display) -> None:
    display.began(Path("reports/x"), "a title", PLAN)
    assert "no fault is planned" in picture(display, 80)
    display.began(Path("reports/x"), "a title", replace(PLAN, faults=(FaultPlan(id="f", name="f", kind="noop"),) * 2))
    assert "2 faults to come" in picture(display, 80)


@pytest.mark.parametrize(
    ("width", "columns"),
    [
        (80, "group  usable  replies/s  pushes/s     p50   p99  bad  lost  broken  waiting"),
        (60, "group  usable  replies/s  pushes/s     p50   p99  bad  lost"),
        (30, "group  usable  replies/s   p99"),
    ],
)
def test_a_narrow_terminal_shows_fewer_columns_and_none_of_them_cut(display: Display, width: int, columns: str) -> None:
    told(display)
    assert columns in picture(display, width).splitlines()


def test_no_line_is_wrapped_however_long_its_names_are(display: Display) -> None:
    long = "word " * 60
    display.began(Path("reports/x"), long, PLAN)
    display.phase("recovery", None)
    display.live(fleet(), {"server": RESOURCES["server"], long: RESOURCES["server"]})
    display.fault(long, "confirmed", long)
    display.guards([GuardNow(long, long, 0.5, long)], armed=True)
    display.note(long)
    lines = picture(display, 80).splitlines()
    assert sum("word" in line for line in lines) == 5
    assert len(lines) < 24


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
