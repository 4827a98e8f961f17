"""An image like that of `Dockerfile` with the extra `ray`, of what this Python has installed: no registry is asked."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.metadata import Distribution, distribution
from pathlib import Path

from docker_stage import ROOT, SITE
from packaging.requirements import Requirement

_BELOW = "/work"
_NOT_NEEDED = ("ray/rllib/", "ray/data/", "ray/train/", "ray/tune/", "ray/serve/", "ray/jars/", "ray/cpp/")
"""Parts of Ray that only their own users import: half of its files."""
_COMMAND = "#!/usr/local/bin/python\nimport sys\nfrom {module} import main\nsys.exit(main())\n"
_COMMANDS = {"chaosrun": "chaosrun.__main__", "ray": "ray.scripts.scripts"}


def files() -> dict[str, Path | bytes]:
    """By their place in the image, beside what every image of the tests has."""
    # Ray starts its workers by bash.
    there: dict[str, Path | bytes] = {f"/bin/{shell}": Path("/bin", shell).resolve() for shell in ("sh", "bash")}
    for installed in _installed("chaosrun", "ray"):
        for file in installed.files or ():
            path = Path(str(file.locate()))
            if ".." not in file.parts and "__pycache__" not in file.parts and path.is_file() and _needed(str(file)):
                there[f"{SITE}/{file}"] = path
    for folder in ("experiments", "steady_state"):
        for path in (ROOT / folder).rglob("*"):
            if path.is_file():
                there[f"{_BELOW}/{path.relative_to(ROOT)}"] = path
    for command, module in _COMMANDS.items():
        there[f"/usr/local/bin/{command}"] = _COMMAND.format(module=module).encode()
    return there


def _needed(file: str) -> bool:
    return not file.startswith(_NOT_NEEDED) and not file.startswith("__editable__") and not file.endswith(".pth")


def _installed(name: str, extra: str) -> Iterator[Distribution]:
    """A package and all that it needs."""
    seen: set[str] = set()
    wanted = [Requirement(f"{name}[{extra}]")]
    while wanted:
        asked = wanted.pop()
        plain = re.sub(r"[-_.]+", "-", asked.name).lower()
        if plain in seen:
            continue
        seen.add(plain)
        found = distribution(plain)
        yield found
        for line in found.requires or ():
            needed = Requirement(line)
            if needed.marker is None or any(needed.marker.evaluate({"extra": it}) for it in ("", *asked.extras)):
                wanted.append(needed)
