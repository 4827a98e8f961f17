"""What nobody caught is told without secrets too, whichever way Python has for it."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from chaosrun.commands._session import Session

PROGRAM = """
import asyncio, gc, threading
from chaosrun.commands._last_words import tell_last_words_through
from chaosrun.commands._session import Session

session = Session()
session.secrets.add("hunter2-horse")
tell_last_words_through(session)

def fail():
    raise RuntimeError("lost hunter2-horse")

class Final:
    def __del__(self):
        fail()

async def task():
    asyncio.get_running_loop().create_task(asyncio.to_thread(fail))
    await asyncio.sleep(0.2)
    gc.collect()
"""


@pytest.mark.parametrize(
    "ending", ["threading.Thread(target=fail).start()", "Final()", "asyncio.run(task())"], ids=["thread", "del", "task"]
)
def test_what_nobody_caught_is_told_without_secrets(ending: str) -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM + ending], capture_output=True, text=True, check=False)
    assert "RuntimeError: lost ***" in done.stderr
    assert "hunter2" not in done.stderr + done.stdout


@pytest.mark.parametrize("debug", [True, False])
def test_a_defect_is_told_and_kept_without_secrets(
    debug: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    session = Session()
    session.debug = debug
    session.secrets.add("hunter2-horse")
    try:
        raise RuntimeError("lost hunter2-horse, or aHVudGVyMi1ob3JzZQ==")
    except RuntimeError as error:
        session.complain_of_defect(error)
    told = capsys.readouterr().err + "".join(path.read_text() for path in tmp_path.iterdir())
    assert "lost ***, or" in told
    assert "hunter2" not in told
    assert "aHVudGVyMi1ob3JzZ" not in told, "in the line of the source that is quoted, too"
