"""Which network is meant, beyond doubt: a namespace by its inode, entered through a descriptor that was compared."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from chaosrun.errors import Unavailable
from chaosrun.identity import Identity

_PINS: Final = (Path("/run/netns"), Path("/run/docker/netns"))
"""Where `ip netns` and Docker keep namespaces that no process may be in."""

_OWN: Final = Path("/proc/self/ns/net")

LOOPBACK: Final = "lo"


@dataclass(frozen=True)
class Network:
    """A network namespace of this boot. Its inode may be given to another once it is gone."""

    inode: int
    pid: int
    """A process that was in it."""

    @property
    def is_own(self) -> bool:
        """It is the one that this process is in."""
        return self.inode == _inode(_OWN)

    @contextmanager
    def entered(self) -> Iterator[Way | None]:
        """How a command is run in it; None: it is gone, or nothing that we may look at is in it."""
        if self.is_own:
            yield Way((), ())
            return
        descriptor = self._open()
        if descriptor is None:
            yield None
            return
        try:
            yield Way(("nsenter", f"--net=/proc/self/fd/{descriptor}"), (descriptor,))
        finally:
            os.close(descriptor)

    def _open(self) -> int | None:
        for path in self._candidates():
            # Looked at twice: to open a file of /proc of every process would take longer, and a path may change hands.
            if _inode(path) != self.inode:
                continue
            try:
                descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            except OSError:
                continue
            if os.fstat(descriptor).st_ino == self.inode:
                return descriptor
            os.close(descriptor)
        return None

    def _candidates(self) -> Iterator[Path]:
        """Where it may be found, the likeliest place first: a process that is gone may have left others in it."""
        yield Path(f"/proc/{self.pid}/ns/net")
        for folder in _PINS:
            if folder.is_dir():
                yield from folder.iterdir()
        for entry in os.listdir("/proc"):  # noqa: PTH208 - names only, 4x faster
            if entry.isdigit():
                yield Path(f"/proc/{entry}/ns/net")


@dataclass(frozen=True)
class Way:
    """How a command gets into a network: words before it, and descriptors that it inherits."""

    words: tuple[str, ...]
    descriptors: tuple[int, ...]


def own() -> Network:
    """The network that chaosrun itself is in."""
    return Network(_OWN.stat().st_ino, os.getpid())


def of(process: Identity) -> Network:
    """The network that a process is in.

    Raises:
        Unavailable: it is gone, or not ours to look at.
    """
    try:
        return Network(Path(f"/proc/{process.pid}/ns/net").stat().st_ino, process.pid)
    except PermissionError as error:
        raise Unavailable(
            f"the network of process {process.pid} may not be looked at; run chaosrun as root (CAP_SYS_ADMIN)"
        ) from error
    except OSError as error:
        raise Unavailable(f"process {process.pid} is gone, and its network with it") from error


def devices(network: Network) -> list[str]:
    """The devices of a network that some process is in, but for its loopback."""
    text = Path(f"/proc/{network.pid}/net/dev").read_text()
    names = (line.split(":", 1)[0].strip() for line in text.splitlines()[2:])
    return [name for name in names if name != LOOPBACK]


def _inode(path: Path) -> int | None:
    """None where no namespace is pinned: a plain file's inode is one of another file system."""
    try:
        seen = path.stat()
    except OSError:
        return None
    return seen.st_ino if seen.st_dev == _OWN.stat().st_dev else None
