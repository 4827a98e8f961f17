"""What a machine is made of: a kernel of Debian's, unpacked and not installed, and a first file system around busybox.

Both packages are downloaded once and kept in a folder; nothing is installed on the host.
"""

from __future__ import annotations

import gzip
import lzma
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from cpio import archive

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "chaosrun" / "vm"

_KERNEL = re.compile(r"linux-image-(\d[\w.+-]*)-amd64")
"""The generic ones: `cloud` has no 9p, `rt` is another kernel."""
_PROVEN = "6.1.0-"
"""The series that the tests are known to work on, where the archive has it."""
_DOWNLOAD_WITHIN_S = 300
_UNPACK_WITHIN_S = 120

MODULES = (
    *("virtio_ring", "virtio_pci_modern_dev", "virtio_pci_legacy_dev", "virtio", "virtio_pci"),
    *("9pnet", "9pnet_virtio", "netfs", "fscache", "9p", "overlay"),
    *("sch_netem", "sch_htb", "cls_u32", "veth"),
)
"""In the order of loading: each after those that it needs."""

FOLDERS = ["bin", "dev", "lower", "modules", "new", "proc", "sys", "upper"]


class CannotBeHad(Exception):
    """A part is not to be had here; the text says why."""


@dataclass(frozen=True)
class Parts:
    kernel: Path
    initramfs: Path
    release: str
    """Of the kernel."""


def gather(cache: Path = CACHE) -> Parts:
    """Download what is not in the cache, and put the first file system together.

    Raises:
        CannotBeHad: no packages, no archive, or no tools.
    """
    for tool in ("apt-get", "apt-cache", "dpkg-deb"):
        if shutil.which(tool) is None:
            raise CannotBeHad(f"no {tool} here; the kernel comes from a Debian archive")
    cache.mkdir(parents=True, exist_ok=True)
    unpacked = _unpacked(cache)
    kernel = next((unpacked / "boot").glob("vmlinuz-*"))
    release = kernel.name.removeprefix("vmlinuz-")
    initramfs = unpacked / "initramfs.gz"
    # Written anew each time and moved into place: cheap, and never that of an older tree or a half of one.
    part = unpacked / f"initramfs.{os.getpid()}"
    part.write_bytes(gzip.compress(_first_files(unpacked, release), compresslevel=1))
    part.rename(initramfs)
    return Parts(kernel, initramfs, release)


def _unpacked(cache: Path) -> Path:
    """The folder with the contents of both packages; of one that is there already, without asking the archive."""
    there = sorted(path for path in cache.glob("linux-*") if (path / "whole").exists())
    if there:
        return there[-1]
    package = _newest_kernel()
    folder, part = cache / package, cache / f"{package}.{os.getpid()}"
    part.mkdir()
    try:
        for name in (package, "busybox-static"):
            _run(["apt-get", "download", "-q", name], cwd=part, within_s=_DOWNLOAD_WITHIN_S)
        for file in part.glob("*.deb"):
            _run(["dpkg-deb", "-x", str(file), str(part)], cwd=part, within_s=_UNPACK_WITHIN_S)
            file.unlink()
        (part / "whole").touch()
        if not folder.exists():
            part.rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return folder


def _newest_kernel() -> str:
    found = _run(["apt-cache", "search", "--names-only", "^linux-image-[0-9].*-amd64$"], within_s=60).split("\n")
    names = [line.split(" ")[0] for line in found]
    versions = [match[1] for name in names if (match := _KERNEL.fullmatch(name)) and match[1].count("-") <= 1]
    # A bare "6.12" is an empty package that needs the newest of its series; rt and cloud have a dash too many.
    real = [version for version in versions if version.count(".") == 2 and not version.endswith(("-rt", "-cloud"))]
    if not real:
        raise CannotBeHad("the archive has no kernel; run apt-get update")
    real.sort(key=lambda version: (version.startswith(_PROVEN), [int(part) for part in re.findall(r"\d+", version)]))
    return f"linux-image-{real[-1]}-amd64"


def _first_files(unpacked: Path, release: str) -> bytes:
    found = {path.name.split(".")[0]: path for path in (unpacked / "lib" / "modules" / release).rglob("*.ko*")}
    # One that is not there is part of the kernel, or of another module, in some releases.
    present = [found[name] for name in MODULES if name in found]
    modules = {f"modules/{number:02}-{path.name.split('.')[0]}.ko": _plain(path) for number, path in enumerate(present)}
    init = Path(__file__).with_name("init.sh").read_bytes()
    busybox = (unpacked / "bin" / "busybox").read_bytes()
    return archive(FOLDERS, {"init": init, "bin/busybox": busybox, **modules})


def _plain(module: Path) -> bytes:
    content = module.read_bytes()
    return lzma.decompress(content) if module.suffix == ".xz" else content


def _run(command: list[str], *, within_s: float, cwd: Path | None = None) -> str:
    try:
        return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=within_s, check=True).stdout
    except subprocess.CalledProcessError as error:
        raise CannotBeHad(f"{' '.join(command)}: {error.stderr.strip()}") from error
    except subprocess.TimeoutExpired as error:
        raise CannotBeHad(f"{' '.join(command)}: not done within {within_s:g} s") from error
