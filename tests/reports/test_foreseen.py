"""The page of `--dry-run`: it fits its width, says what would be hit, and nothing of others moves the cursor."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from chaosrun.foreseen import Fault, Foreseen, Load, Machine, Need, Phase, Role
from chaosrun.reports._foreseen import render_foreseen

KILL = Fault(
    id="fault-1",
    name="crash the bridge",
    kind="process_kill",
    role="server",
    keys="{signal: SIGKILL}",
    begins_s=0.0,
    is_sustained=False,
    for_s=None,
    times=1,
    every_s=0.0,
    hits=("4711: /usr/bin/python3 -m bridge --port 8000 --with-many-more-arguments-than-fit-into-a-line of 80",),
    confirmed="the kernel reports the end of each process",
    undone="start role 'server' again if it is not running",
)
FREEZE = replace(
    KILL,
    id="fault-2",
    name="process_pause",
    kind="process_pause",
    role="terminal",
    keys="{}",
    begins_s=90.0,
    is_sustained=True,
    for_s=3.0,
    hits=(),
    confirmed="the kernel reports every thread of each process stopped",
    undone=None,
)
PLAN = Foreseen(
    title="300 users are served again",
    experiment="experiments/server-restart.yaml",
    experiment_sha256="0" * 64,
    profile="smoke",
    repeat=2,
    target="wss://staging.example.com/ws",
    proxy=None,
    probe_every_s=0.01,
    connect_every_s=0.25,
    machines=(Machine(host="staging.example.com", is_this=False, is_hit=True, because=("target.url",)),),
    is_asked_about=True,
    load=(Load(group="accounts", clients=1500, protocol="mt5", requests_per_s=1500.0, ramp_s=3.0, workers=1),),
    phases=(Phase(name="start", planned_s=None), Phase(name="recovery", planned_s=30.0, at_most=True)),
    longest_s=290.0,
    roles=(
        Role(name="server", what="{process: {name: bridge}}", found=("4711: bridge",), is_ours=False),
        Role(name="terminal", what="part of mt5-bridge", found=(), is_ours=True),
    ),
    faults=(KILL, FREEZE),
    rollbacks=(),
    guards=("usable below 5% for 30s",),
    reports="reports/UTC-TIME-300-users-are-served-again",
    needs=(Need(name="pidfd", state="ok", found="here", needed_for="killing the right process"),),
    refused=(),
    exit_code=0,
)
PAGE = """\
300 users are served again
dry run: nothing was started and nothing was touched

experiment  experiments/server-restart.yaml, profile smoke; 2 runs of it, one after the other
target      wss://staging.example.com/ws
reaches     staging.example.com: ANOTHER MACHINE, allowed by the target (target.url)
load        accounts: 1,500 clients of mt5, 1500 requests/s in all, ramp 3 s
            prober: an echo every 10 ms, a fresh connection every 250 ms
roles       server: {process: {name: bridge}}
              now 4711: bridge
            terminal: part of mt5-bridge; the run starts and ends it
phases      start until all is ready, recovery up to 30 s
            not steady in the baseline: it ends there, and no fault is injected
            ended at the latest after 290 s

fault 1     crash the bridge: process_kill
  hits      4711: /usr/bin/python3 -m bridge --port 8000
            --with-many-more-arguments-than-fit-into-a-line of 80
  by        {signal: SIGKILL}
  when      0 s after the method began
  confirmed the kernel reports the end of each process
  undone    start role 'server' again if it is not running

fault 2     process_pause
  hits      what is role 'terminal' by then
  when      90 s after the method began, for 3 s
  confirmed the kernel reports every thread of each process stopped
  undone    how is known when the run has started what it hits

stop_when   usable below 5% for 30s: every fault is undone at once, and the run ends
keeps       reports/UTC-TIME-300-users-are-served-again/, for its owner's eyes only
needs       ok: pidfd: here (for killing the right process)

so          it could run now; it reaches another machine: without a terminal to ask on, say --yes
"""


def test_the_page_as_it_is() -> None:
    assert render_foreseen(PLAN) == PAGE


@pytest.mark.parametrize("width", [40, 80, 120])
def test_no_line_is_wider_than_it_may_be(width: int) -> None:
    page = render_foreseen(PLAN, width=width)
    assert max(map(len, page.splitlines())) <= width
    assert "".join(page.split()) == "".join(render_foreseen(PLAN, width=1000).split()), "and nothing is left out"


def test_what_keeps_it_from_running_is_said_where_it_is_and_in_the_end() -> None:
    fault = replace(KILL, hits=(), undone=None, refused="role server: no process matches\n  12: nothing")
    role = replace(PLAN.roles[0], found=(), refused=fault.refused)
    page = render_foreseen(replace(PLAN, faults=(fault,), roles=(role,), refused=(str(fault.refused),), exit_code=69))
    assert "NOT AS IT MUST BE, see below" in page
    assert "CANNOT BE DONE NOW, see below" in page
    assert page.endswith("so          it could not run now: role server: no process matches\n")
    assert "could run now;" not in page


def test_what_comes_from_others_moves_no_cursor() -> None:
    page = render_foreseen(replace(PLAN, title="\x1b[2J", roles=(replace(PLAN.roles[0], found=("1: \x07\n2: x",)),)))
    assert "\x1b" not in page
    assert "\x07" not in page
    assert page.startswith("\\x1b[2J\n")
