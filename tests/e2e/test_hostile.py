"""Whole runs against services that send what they should not: each ends in time, with its exit code, and nothing of
what was sent reaches a terminal or a file as it is."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest
from e2e_running import Finished, chaosrun, conclusive, free_port

from chaosrun.recorded import read_run

SERVICE = Path(__file__).parents[1] / "load" / "hostile_service.py"
FILE = """
title: A service that is not kind
target:
  url: ws://127.0.0.1:{port}/ws
  roles:
    app: {{command: [{command}], ready: {ready}}}
  prober: {{every: 50ms}}
steady_state:
  load:
    users:
      {{protocol: mt5, clients: 4, requests: 5/s, latency_limit: 1s, reply_timeout: 2s, channels: {{list: [EURUSD]}},
        reconnect: {{first: 200ms, max: 1s}}, max_message: 1MiB}}
  hypothesis:
    - {{metric: bad, max: 5%}}
method: []
timing: {{warmup: 500ms, baseline: 4s}}
"""
MUCH_LATER_S = 80.0


def unkind(folder: Path, command: list[str], *, ready: str = "") -> Path:
    port = free_port()
    words = ", ".join(f'"{word}"' for word in (sys.executable, *command)).replace("PORT", str(port))
    path = folder / "unkind.yaml"
    path.write_text(FILE.format(port=port, command=words, ready=ready or f'{{tcp: "127.0.0.1:{port}", within: 30s}}'))
    return path


def assert_nothing_unescaped(finished: Finished) -> None:
    texts = {"output": finished.out, "errors": finished.err}
    assert finished.folder is not None
    for path in finished.folder.glob("*.json*"):
        texts[path.name] = path.read_text()
    for where, text in texts.items():
        for line in text.splitlines():
            assert line.isprintable(), (where, line)
        assert "\x1b" not in text and "\u202e" not in text and "\u009b" not in text, where


@pytest.mark.slow
def test_a_service_that_says_nonsense_beside_its_replies_is_measured_by_its_replies(tmp_path: Path) -> None:
    file = unkind(tmp_path, [str(SERVICE), "PORT", "nonsense", "0"])
    finished = conclusive(file, "--format", "json", reports=tmp_path / "reports")
    assert finished.code == 0, finished.out + finished.err
    assert_nothing_unescaped(finished)
    assert finished.folder is not None
    recorded = read_run(finished.folder).history
    assert recorded.malformed
    assert recorded.lost_records == 0
    assert (finished.folder / "journal.jsonl").stat().st_size < 2 << 20
    assert finished.left_behind() == []


@pytest.mark.slow
@pytest.mark.parametrize("manner", ["pings", "huge", "closes"])
def test_a_service_that_turns_on_its_clients_fails_or_is_not_judged_and_the_run_ends_in_time(
    tmp_path: Path, manner: str
) -> None:
    file = unkind(tmp_path, [str(SERVICE), "PORT", manner, "12"])
    began = time.monotonic()
    finished = chaosrun(file, "--format", "json", reports=tmp_path / "reports").finish()
    assert time.monotonic() - began < MUCH_LATER_S
    assert finished.code in (1, 3), finished.out + finished.err
    assert finished.result["reasons"]
    assert_nothing_unescaped(finished)
    assert "Traceback" not in finished.err
    assert finished.left_behind() == []


DRIPS = (
    "import socket, time; l = socket.create_server(('127.0.0.1', PORT)); "
    "c = l.accept()[0]; [(c.sendall(b'H'), time.sleep(0.1)) for _ in range(3000)]"
)


@pytest.mark.slow
def test_a_ready_that_drips_in_holds_no_run_up(tmp_path: Path) -> None:
    file = unkind(tmp_path, ["-c", DRIPS], ready='{http: "/healthz", within: 1s}')
    file.write_text(file.read_text().replace('"/healthz"', f'"http://127.0.0.1:{_port_of(file)}/healthz"'))
    began = time.monotonic()
    finished = chaosrun(file, reports=tmp_path / "reports").finish()
    assert finished.code == 69, finished.err
    assert "not ready within 1 s" in finished.err
    assert time.monotonic() - began < MUCH_LATER_S
    assert finished.left_behind() == []


def test_the_last_words_of_a_service_cannot_speak_to_the_terminal(tmp_path: Path) -> None:
    escapes = "bytes([27]) + b'[2J' + bytes([27]) + b']0;owned' + bytes([7])"
    says = f"import sys; sys.stdout.buffer.write({escapes}); sys.exit(1)"
    finished = chaosrun(unkind(tmp_path, ["-c", says]), reports=tmp_path / "reports").finish()
    assert finished.code == 69, finished.err
    assert "\\x1b[2J" in finished.err
    assert "\x1b" not in finished.err and "\x07" not in finished.err


def _port_of(file: Path) -> str:
    return file.read_text().split("ws://127.0.0.1:")[1].split("/")[0]
