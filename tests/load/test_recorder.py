"""What the load writes down of a server's words."""

from __future__ import annotations

from pathlib import Path

from chaosrun.load.recorder import Recorder
from chaosrun.spec.masking import MASK, Mask


def test_the_runs_secrets_and_the_clients_own_are_masked_in_what_a_server_said(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, "load-0", lambda _: None, Mask(["the-token"]))
    account = {"login": "somebody", "password": "pa55/word", "pin": "123"}
    said = "the-token: somebody with pa55/word, pa55%2Fword or 123 is unknown"
    assert recorder.told(said, account) == f"{MASK}: somebody with {MASK}, {MASK} or 123 is unknown"
