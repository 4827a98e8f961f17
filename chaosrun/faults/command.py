"""Run a program, and when the fault is over another one that takes back what it did.

Neither goes through a shell unless the user wrote one. What the program leaves running is killed before the undo: a
tool that acts after its undo would have the last word.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import shutil
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from chaosrun.errors import Dirty, Unavailable
from chaosrun.faults._base import Confirmation, Fault, World
from chaosrun.processes import ROLE_TAG, RUN_TAG
from chaosrun.records import Undo
from chaosrun.spec.secret import Secret, reveal
from chaosrun.spec.steps import CommandStep
from chaosrun.tagged import kill_tagged

FAULT_TAG = "CHAOSRUN_FAULT"
"""Environment variable of the program and its children; its value is the folder of the run and the fault's number.

Not the run's own tag: what the program starts may be meant to be a part of the service, and found as such."""

_GATE = 'read -r opened || exit 99; exec "$@" </dev/null'
"""The program waits for a line before it begins: without one, because chaosrun was killed, it never does."""
_KEPT = 1 << 20
"""Bytes of output that are kept."""
_REST_S = 0.3
"""For the last of its output, after its end; a child may hold the pipe for as long as it likes."""


class UndoArgs(msgspec.Struct, frozen=True):
    """What `undo` needs: what the program left running, and what takes back the rest."""

    tag: str
    argv: tuple[str, ...]
    """Empty: what was done is to stay."""
    cwd: str
    timeout_s: float


class Command(Fault):
    kind = "command"
    sign = "its exit code is 0"

    def __init__(
        self,
        name: str,
        *,
        run: Sequence[str | Secret],
        undo: Sequence[str] = (),
        timeout_s: float = 30.0,
        cwd: Path | None = None,
    ) -> None:
        """With `undo` it is sustained, without it what it does is to stay."""
        super().__init__(name, sustained=bool(undo))
        self._run = tuple(reveal(word) for word in run)
        self._program = str(run[0])
        self._shown = shlex.join(map(str, run))
        self._undo = tuple(undo)
        self._timeout_s = timeout_s
        self._cwd = Path.cwd() if cwd is None else cwd.absolute()
        self._identifier = ""
        self._ended: Confirmation | None = None

    async def check(self, world: World) -> None:
        """
        Raises:
            Unavailable: a program, or the directory, is not there.
        """
        if not self._cwd.is_dir():
            raise Unavailable(f"fault {self.name!r}: its directory {self._cwd} is not there")
        for argv in filter(None, (self._run, self._undo)):
            if shutil.which(argv[0] if "/" not in argv[0] else str(self._cwd / argv[0])) is None:
                program = self._program if argv is self._run else argv[0]
                where = "an executable file" if "/" in argv[0] else "on PATH"
                raise Unavailable(f"fault {self.name!r}: {program} is not {where}; install it, or correct the step")

    def plan(self, world: World, identifier: str) -> Undo:
        self._identifier = identifier
        tag = f"{world.folder}:{identifier}"
        args = UndoArgs(tag, self._undo, str(self._cwd), self._timeout_s)
        what = f"run {' '.join(self._undo)}" if self._undo else f"nothing: what {self._program} does is to stay"
        return Undo(
            id=identifier,
            kind=self.kind,
            what=what,
            identity={"tag": tag},
            args=msgspec.Raw(msgspec.json.encode(args)),
            deadline_ns=int((self._timeout_s + 30) * 1e9),
        )

    def aim(self, world: World) -> Sequence[str]:
        return [f"whatever this does, in {self._cwd}: {self._shown}"]

    async def inject(self, world: World) -> None:
        """Run the program to its end, or to the time-out; whatever ends it early ends its children too."""
        began = time.monotonic()
        tags = {FAULT_TAG: f"{world.folder}:{self._identifier}"}
        read_end, write_end = os.pipe()
        said = _Said(read_end)
        try:
            process = _start(self._run, self._cwd, tags, write_end)
        finally:
            os.close(write_end)
        try:
            code = await asyncio.to_thread(process.wait, self._timeout_s)
        except subprocess.TimeoutExpired:
            self._ended = Confirmation(False, f"{self._program} took more than {self._timeout_s:g} s, and was killed")
        else:
            how = f"{self._program} ended with exit code {code} after {time.monotonic() - began:.1f} s"
            told = f"{how}; what it said is in {self._log(world)}"
            self._ended = Confirmation(code == 0, how if code == 0 else told)
        finally:
            if process.returncode is None:
                await asyncio.to_thread(kill_tagged, tags)
                await asyncio.to_thread(process.wait)
            await asyncio.to_thread(said.keep, self._log(world), world)

    async def confirm(self, world: World) -> Confirmation:
        """By its exit code: what a program of the user's does is for a `probe` to see."""
        assert self._ended is not None
        return self._ended

    def _log(self, world: World) -> Path:
        return world.folder / "faults" / f"{self._identifier}.log"


class _Said:
    """What a program writes: read to its end by a thread of its own, so that it never waits for us; the beginning is
    kept."""

    def __init__(self, pipe: int) -> None:
        self._pipe = pipe
        self._kept = bytearray()
        self._thread = threading.Thread(target=self._read, name="output of a command", daemon=True)
        self._thread.start()

    def keep(self, log: Path, world: World) -> None:
        """Write down what was said until now, without secrets."""
        self._thread.join(_REST_S)
        said = bytes(self._kept)
        text = world.mask(said.decode(errors="replace"))
        if len(said) == _KEPT:
            # Where it was cut, there may be the beginning of a secret.
            text = text[: text.rfind("\n") + 1] + "[chaosrun keeps no more of this output]\n"
        log.parent.mkdir(exist_ok=True)
        log.write_text(text)

    def _read(self) -> None:
        while chunk := os.read(self._pipe, 1 << 16):
            self._kept += chunk[: _KEPT - len(self._kept)]
        os.close(self._pipe)


def _start(
    argv: Sequence[str], cwd: Path | str, tags: Mapping[str, str], output: int = subprocess.DEVNULL
) -> subprocess.Popen[bytes]:
    """Start a program in a session of its own, behind the gate: it runs once this has returned."""
    # What is started is the user's, not a part of chaosrun, whoever runs this.
    own = {key: text for key, text in os.environ.items() if key not in (RUN_TAG, ROLE_TAG)}
    process = subprocess.Popen(
        ["/bin/sh", "-c", _GATE, "sh", *argv],
        stdin=subprocess.PIPE,
        stdout=output,
        stderr=output,
        cwd=cwd,
        env={**own, **tags},
        start_new_session=True,
    )
    assert process.stdin is not None
    process.stdin.write(b"\n")
    process.stdin.close()
    return process


def make(step: CommandStep) -> Fault:
    """The fault that a step of the method describes."""
    return Command(
        step.name or step.fault,
        run=step.run,
        undo=[reveal(word) for word in step.undo],
        timeout_s=step.timeout / 1e9,
        cwd=None if step.cwd is None else Path(step.cwd),
    )


def undo(record: Undo) -> None:
    """Kill what the program left running, then run the other one.

    Its output is not kept: nobody knows here what in it is secret.

    Raises:
        Dirty: it failed, or took longer than it may.
    """
    args = msgspec.json.decode(record.args, type=UndoArgs)
    if not args.argv:
        return
    kill_tagged({FAULT_TAG: args.tag})
    tags = {FAULT_TAG: f"{args.tag}:undo"}
    process = _start(args.argv, args.cwd, tags)
    try:
        code = process.wait(args.timeout_s)
    except subprocess.TimeoutExpired:
        kill_tagged(tags)
        process.wait()
        raise Dirty(f"{args.argv[0]} took more than {args.timeout_s:g} s, and was killed") from None
    if code != 0:
        raise Dirty(f"{args.argv[0]} ended with exit code {code}")


def verify(record: Undo) -> bool:
    """The exit code of the undo has told; there is nothing else to read back."""
    return True
