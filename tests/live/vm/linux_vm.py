"""A virtual machine with a Linux kernel that has netem, for one command: qemu without KVM, so that it runs anywhere.

The machine sees the host's files, and changes none of them: what it writes is in memory, but for the folder of results,
which is at `/mnt` inside. It has no network but its own loopback. It is slow: a second of work takes some ten.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vm_parts import CannotBeHad, Parts, gather

QEMU = "qemu-system-x86_64"
RESULTS = Path("/mnt")
"""The folder of results, seen from inside."""

_MEMORY_MB = 768
_PROCESSOR = "Nehalem"
"""Of those before AVX: wide instructions, which libraries choose where they can, are slow to emulate."""
_KERNEL_WORDS = "console=ttyS0 loglevel=4 panic=-1 mitigations=off nokaslr audit=0 apparmor=0"
"""Nothing here needs guarding against the code that it runs, and on an emulated processor that costs most of the time.
A panic reboots at once, and with -no-reboot qemu then ends with 0, as if all were well."""


class MachineFailed(Exception):
    """The machine did not come to the end of its command; the text has the last lines of its console."""


@dataclass(frozen=True)
class Machine:
    parts: Parts

    def run(
        self,
        command: Sequence[str],
        results: Path,
        *,
        within_s: float,
        cwd: Path = Path("/"),
        env: Mapping[str, str] | None = None,
    ) -> int:
        """Boot, run a command, and end; its exit code.

        Args:
            results: a folder of the host, empty or new; what is written to it stays.

        Raises:
            MachineFailed: it did not end in time, or the two ways of telling the exit code do not agree.
        """
        results.mkdir(parents=True, exist_ok=True)
        words = {"PATH": os.environ["PATH"], "HOME": "/root", "LANG": "C.UTF-8", **(env or {})}
        exported = "".join(f"export {key}={shlex.quote(value)}\n" for key, value in words.items())
        output = RESULTS / "output"
        told = f"{exported}cd {shlex.quote(str(cwd))}\nexec {shlex.join(command)} >{output} 2>&1\n"
        (results / "command").write_text(told)
        console = results / "console"
        with subprocess.Popen(
            self._command_line(results, console), stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        ) as qemu:
            try:
                _, said = qemu.communicate(timeout=within_s)
            except subprocess.TimeoutExpired:
                qemu.kill()
                raise MachineFailed(f"it did not end within {within_s:g} s\n{_told_by(results)}") from None
        code_file = results / "code"
        code = int(code_file.read_text()) if code_file.exists() and code_file.read_text().strip() else None
        if code is None or qemu.returncode != ((code + 32) * 2 + 1) & 0xFF:
            raise MachineFailed(
                f"qemu ended with {qemu.returncode}, the command with {code}\n{said}{_told_by(results)}"
            )
        return code

    def _command_line(self, results: Path, console: Path) -> list[str]:
        return [
            *("setpriv", "--pdeathsig", "KILL", "--"),  # a machine whose test was killed goes with it
            *(QEMU, "-machine", "q35,accel=tcg", "-cpu", _PROCESSOR, "-smp", "1", "-m", str(_MEMORY_MB)),
            *("-nodefaults", "-display", "none", "-no-reboot", "-nic", "none"),
            *("-device", "isa-debug-exit,iobase=0xf4,iosize=4", "-serial", f"file:{console}"),
            *("-kernel", str(self.parts.kernel), "-initrd", str(self.parts.initramfs), "-append", _KERNEL_WORDS),
            *("-fsdev", "local,id=root,path=/,security_model=none,readonly=on,multidevs=remap"),
            *("-device", "virtio-9p-pci,fsdev=root,mount_tag=root"),
            *("-fsdev", f"local,id=results,path={results},security_model=none"),
            *("-device", "virtio-9p-pci,fsdev=results,mount_tag=results"),
        ]


def machine() -> Machine:
    """Raises:
    CannotBeHad: qemu, or a part of the machine, is not to be had here.
    """
    if shutil.which(QEMU) is None:
        raise CannotBeHad(f"no {QEMU} on PATH; apt-get install qemu-system-x86")
    return Machine(gather())


def _told_by(results: Path) -> str:
    """The ends of what the console and the command said."""
    told = [
        file.read_text(errors="replace")[-3000:] for name in ("console", "output") if (file := results / name).exists()
    ]
    return "\n--- output\n".join(told)
