"""The live display on a real terminal, tmux, from the first picture to the summary that takes its place."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from e2e_running import PATIENCE_S, ROOT

WATCHED = Path(__file__).with_name("watched.yaml")
TITLE = "A bridge is killed and its clients wait for it"
PHASES = "start|ramp|warmup|baseline|fault|recovery|after|verify|drain"
LINES = (
    re.escape(TITLE),
    r" start  ramp  warmup  baseline ",
    rf" (?:{PHASES}) +(?:[█░]{{30}} (?:(?:at most )?\d+ s left|ending)$|\d+ s so far$)",
    r"starting$",
    r" 1 fault to come$",
    r" (?:CALLED|CONFIRMED|UNCONFIRMED|UNDONE)  \d+ s ago crash the bridge",
    r"group +usable  replies/s  ",
    r"accounts +\d+/\d+ ",
    r"served  [▁▂▃▄▅▆▇█]+$",
    r"errors  ",
    r"cpu     ",
    r"guard   (?:calm|BURNING \d+%|off|blind) ",
    r"lag     chaosrun's own event loop was ",
    r"! ",
)
"""What a line of the display may begin with; the rest of one that wrapped begins with none of these."""
EVERYTHING = {
    "the phase and its time left": r"^ baseline +[█░]{30} \d+ s left$",
    "an open end": r"^ fault +\d+ s so far$",
    "the longest that a phase may take": r"^ recovery +[█░]{30} at most \d+ s left$",
    "usable clients": r"^accounts +12/12 ",
    "that they are gone": r"^accounts +0/12 ",
    "throughput, latency and losses": r"^group +usable  replies/s  pushes/s +p50 +p99 +bad +lost ",
    "a fault to come": r"^ 1 fault to come$",
    "the fault": r"^ CONFIRMED  \d+ s ago crash the bridge: the kernel reported",
    "the fault taken away": r"^ UNDONE  \d+ s ago crash the bridge",
    "CPU of the roles": r"^cpu     server \d+% .*terminal \d+% .*chaosrun \d+%",
    "a calm guard": r"^guard   calm usable below 50% for \S+(?: \S+)? \(accounts\): reads 100%$",
    "a burning guard": r"^guard   BURNING \d+% usable below 50%",
}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.live,
    pytest.mark.timeout(400),
    pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed; apt-get install tmux"),
]


@dataclass
class Terminal:
    """A pane of a tmux server of its own, with a command in it."""

    socket: Path
    width: int
    height: int
    frames: list[list[str]] = field(default_factory=list)
    """Every picture that was on the screen, trailing blanks and empty lines cut off."""

    def tmux(self, *arguments: str) -> str:
        command = ["tmux", "-S", str(self.socket), "-f", "/dev/null", "-u", *arguments]
        # Not what a C library has put into the environment behind Python's back: readline sets COLUMNS and LINES.
        env = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "LINES")}
        return subprocess.run(command, capture_output=True, text=True, check=True, env=env).stdout

    def start(self, command: str) -> None:
        size = ("-x", str(self.width), "-y", str(self.height))
        # One session that stays, so that the server does; the pane outlives its command to be looked at.
        self.tmux("new-session", "-d", *size, "sleep 1000", ";", "set-option", "-g", "remain-on-exit", "on")
        self.tmux("respawn-pane", "-k", command)

    def told(self, what: str) -> str:
        return self.tmux("display-message", "-p", what).strip()

    def screen(self) -> list[str]:
        return [line.rstrip() for line in self.tmux("capture-pane", "-p").rstrip().splitlines()]

    def everything(self) -> str:
        """With what has scrolled away; lines that the terminal wrapped are whole."""
        return self.tmux("capture-pane", "-p", "-J", "-S", "-")


@pytest.fixture(params=[(80, 24), (200, 50)], ids=["80x24", "200x50"])
def terminal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Terminal]:
    pane = Terminal(tmp_path / "tmux", *request.param)
    try:
        yield pane
    finally:
        subprocess.run(["tmux", "-S", str(pane.socket), "kill-server"], capture_output=True, check=False)


def watch(terminal: Terminal, tmp_path: Path) -> None:
    """Run the experiment to its end, and keep every picture."""
    run = [sys.executable, "-m", "chaosrun", str(WATCHED), "--report-dir", str(tmp_path / "reports")]
    # tmux itself now and then never learns the exit code of a pane that is dead.
    code, part = tmp_path / "code", tmp_path / "code.part"
    tell = f"echo $? >{shlex.quote(str(part))} && mv {shlex.quote(str(part))} {shlex.quote(str(code))}"
    terminal.start(f"cd {shlex.quote(str(ROOT))} && LC_ALL=C.UTF-8 {shlex.join(run)}; {tell}")
    end = time.monotonic() + 2 * PATIENCE_S
    while not code.exists():
        assert time.monotonic() < end, "it did not end"
        # In one breath: the summary that follows the last picture may scroll between two looks.
        scrolled = terminal.told("#{history_size}")
        screen = terminal.screen()
        if screen and scrolled == terminal.told("#{history_size}") == "0" and is_display(screen):
            terminal.frames.append(screen)
        time.sleep(0.1)
    # For whoever wants to look at them.
    (tmp_path / "frames.txt").write_text("\n\n".join("\n".join(frame) for frame in terminal.frames))


def is_display(screen: list[str]) -> bool:
    return screen[0].startswith(TITLE) and any(line.startswith((" start  ramp", "starting")) for line in screen)


def test_the_display_shows_everything_in_place_and_leaves_the_summary_behind(
    terminal: Terminal, tmp_path: Path
) -> None:
    watch(terminal, tmp_path)
    assert len(terminal.frames) > 20, terminal.everything()
    for frame in terminal.frames:
        strange = [line for line in frame if line and not re.match("|".join(LINES), line)]
        assert not strange, "\n".join(frame)
        assert len(frame) <= terminal.height
    seen = [line for frame in terminal.frames for line in frame]
    for what, pattern in EVERYTHING.items():
        assert any(re.search(pattern, line) for line in seen), f"{what} was never shown"
    headings = [line for line in seen if line.startswith("group ")]
    assert terminal.width < 200 or all(line.endswith("waiting") for line in headings), "there is room for all columns"

    # Whatever the verdict of so small a run on a busy machine: the summary is whole, and nothing else is left.
    assert (tmp_path / "code").read_text().strip() in ("0", "1", "3")
    text = terminal.everything()
    (folder,) = [path for path in (tmp_path / "reports").iterdir() if path.is_dir()]
    first = next(line for line in text.splitlines() if line.strip())
    assert re.match(rf" (?:PASSED|FAILED|INCONCLUSIVE) +{TITLE}", first)
    assert folder.name in re.sub(r"\s+", "", text)
    for remains in ("s left", "s so far", "guard   ", "served  ", "replies/s", "█"):
        assert remains not in text, f"{remains!r} is left on the screen"
