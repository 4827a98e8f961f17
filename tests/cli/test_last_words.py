"""What nobody caught is told without secrets too, whichever way Python has for it."""

from __future__ import annotations

import subprocess
import sys

import pytest

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
