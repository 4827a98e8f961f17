"""Probes of what users noticed, for the steady-state hypothesis of Chaos Toolkit, under the load of the control.

Before the method they tell of a load whose baseline was steady: nothing was injected, so nothing was lost and nothing
has to recover. After it they wait until the run has seen the recovery, and tell what was measured. While the fault
stands nothing can be told, and they fail.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chaoslib.exceptions import ActivityFailed

from chaosrun.ctk._load import STAGE, Unproved

if TYPE_CHECKING:
    from chaosrun.scoring.result import Result


def verdict() -> str:
    """`steady` before the method; after it `passed`, `failed`, `inconclusive`, `aborted` or `dirty`.

    `"tolerance": {"type": "regex", "pattern": "^(steady|passed)$"}`
    """
    result = _measured()
    return "steady" if result is None else result.verdict


def ttr() -> float:
    """The time to recover in seconds, of the worst episode; 0 before the method, and where there was no impact.

    `"tolerance": {"type": "range", "range": [0, 5]}`
    """
    result = _measured()
    if result is None:
        return 0.0
    found = result.recovery
    if found.ttr_s is None:
        above = "" if found.ttr_above_s is None else f": it is above {found.ttr_above_s:g} s"
        raise ActivityFailed(f"the service was not seen to recover{above}")
    return found.ttr_s


def lost_connected() -> int:
    """Requests that were sent on a connection that stayed open and never answered, and copies of pushed messages that
    never came though the client was connected. `"tolerance": 0`"""
    result = _measured()
    if result is None:
        return 0
    push = result.messages.push
    if push is not None and not push.accountable:
        raise ActivityFailed(f"lost pushes cannot be told: {push.why}")
    return result.messages.requests.lost_connected + (0 if push is None else push.lost_connected)


def criterion(name: str, window: str | None = None) -> bool:
    """Whether a criterion of the run's experiment holds, by its name, in one window or in all of its windows.

    True before the method. `"tolerance": true`
    """
    result = _measured()
    if result is None:
        return True
    found = [each for each in result.criteria if each.name == name and window in (None, each.window)]
    if not found:
        known = ", ".join(dict.fromkeys(each.name for each in result.criteria))
        raise ActivityFailed(f"the run has no criterion {name!r}{f' in {window}' if window else ''}; known: {known}")
    for each in found:
        if each.outcome is None:
            raise ActivityFailed(f"{name} in {each.window} is unknown: {each.why}")
    return all(each.outcome for each in found)


def _measured() -> Result | None:
    """What the run has measured; None: nothing was injected yet."""
    if STAGE.is_dry:
        return None
    load = STAGE.load
    if load is None:
        raise ActivityFailed("no load is held: the experiment needs the control chaosrun.ctk.control")
    try:
        if not load.begun:
            load.check()
            return None
        if not load.is_over:
            raise ActivityFailed("the fault is not over yet, as far as chaosrun was told; ask after that")
        return load.result()
    except Unproved as error:
        raise ActivityFailed(str(error)) from error
