"""The archive that a Linux kernel unpacks as its first file system: cpio in its "newc" form (kernel: initramfs buffer
format), written without the program of that name."""

from __future__ import annotations

from collections.abc import Mapping

_DIRECTORY = 0o040755
_PROGRAM = 0o100755


def archive(folders: list[str], files: Mapping[str, bytes]) -> bytes:
    """Folders, each after the one that it is in, and files that all may be run."""
    entries = [
        *(_entry(name, _DIRECTORY, b"") for name in folders),
        *(_entry(name, _PROGRAM, content) for name, content in files.items()),
        _entry("TRAILER!!!", 0, b""),
    ]
    return b"".join(entries)


def _entry(name: str, mode: int, content: bytes) -> bytes:
    # inode, mode, uid, gid, links, mtime, size, four device numbers, length of the name with its end, check sum
    numbers = (0, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name) + 1, 0)
    head = b"070701" + b"".join(b"%08X" % number for number in numbers)
    return _padded(head + name.encode() + b"\0") + _padded(content)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
