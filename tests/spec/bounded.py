"""The loader in a process that may have 300 MB of address space: `python bounded.py`, a case per line, an answer each.

A case is the arguments of `load_experiment` as JSON. The answer has the CPU time that it took, and the problems, or the
name of an error that is none of ours.
"""

from __future__ import annotations

import json
import resource
import sys
import time

from chaosrun.errors import SpecError
from chaosrun.spec.loader import load_experiment

LIMIT = 300 * 10**6
EXPERIMENT = """\
title: t
steady_state: {load: {a: {protocol: mt5, clients: 1, requests: 1/s}}}
target: {reference: mt5-bridge}
method: [{fault: process_kill, role: server}]
"""


def answer(case: dict[str, object]) -> dict[str, object]:
    began = time.process_time()
    problems: tuple[str, ...] = ()
    error = ""
    try:
        load_experiment(**{"env": {}, **case})  # type: ignore[arg-type]  # passed on as given
    except SpecError as wrong:
        problems = wrong.problems
    except BaseException as defect:
        error = f"{type(defect).__name__}: {defect}"[:500]
    return {"cpu_s": time.process_time() - began, "problems": problems, "error": error}


def main() -> None:
    # A first one, so that what is imported late is not counted.
    with open("warm.yaml", "w", encoding="utf-8") as file:  # noqa: PTH123 - a folder of the test's own
        file.write(EXPERIMENT)
    answer({"path": "warm.yaml"})
    resource.setrlimit(resource.RLIMIT_AS, (LIMIT, LIMIT))
    print("ready", flush=True)
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
