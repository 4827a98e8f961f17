"""When the fault begins and is over, by the activities of an experiment, at the instants that they start and end.

Events and not controls tell them: a control around an activity has the activity's pauses within it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import Any

from chaoslib.run import RunEventHandler

from chaosrun.ctk._load import STAGE
from chaosrun.errors import ChaosrunError

logger = logging.getLogger("chaostoolkit")

Activity = Mapping[str, Any]


class Marks(RunEventHandler):  # type: ignore[misc]  # chaoslib has no types
    """Tells the load what the activities do.

    Args:
        experiment: of Chaos Toolkit.
        begins, ends: names of the activities that put the fault into the world and take it out; None: the first and
            the last action of the method. The same one: it is over when that activity has ended.
    """

    def __init__(self, experiment: Mapping[str, Any], begins: str | None, ends: str | None) -> None:
        actions = list(_actions(experiment))
        self.begins = begins or (actions[0] if actions else None)
        self.ends = ends or (actions[-1] if actions else None)
        self._known = {each.get("name") for each in _all_activities(experiment)}

    def amiss(self) -> str | None:
        """Why nothing would mark the fault; None: something does."""
        if self.begins is None:
            return "its method has no action, so nothing begins a fault; hold such a load with chaosrun alone"
        for name in (self.begins, self.ends):
            if name not in self._known:
                known = ", ".join(map(repr, sorted(each for each in self._known if each)))
                return f"it has no activity {name!r}; known: {known}"
        return None

    def start_activity(self, activity: Activity) -> None:
        load, name = STAGE.load, activity.get("name")
        if load is None or load.is_over:
            return
        if name == self.begins and not load.begun:
            _say("begin")
            if self.ends == self.begins:
                _say("ending")
        elif name == self.ends and load.begun:
            _say("ending")

    def activity_completed(self, activity: Activity, run: Mapping[str, Any]) -> None:
        load, name = STAGE.load, activity.get("name")
        if load is None or load.is_over or not load.begun:
            return
        failed = _failure(activity, run)
        if name == self.begins:
            _say("unconfirmed" if failed else "confirmed", f"{name}: {failed or 'succeeded'}")
        if name == self.ends and (self.ends == self.begins or not failed):
            _say("over")


def _say(word: str, detail: str = "") -> None:
    """What cannot be told is said in the log: an event cannot end an experiment, and the result will show it."""
    assert STAGE.load is not None
    try:
        STAGE.load.say(word, detail)
    except ChaosrunError as error:
        logger.error("chaosrun was not told %r: %s", word, error)


def _actions(experiment: Mapping[str, Any]) -> Iterator[str]:
    """The names of the method's actions, in their order."""
    named = {each["name"]: each for each in _all_activities(experiment) if "name" in each}
    for each in experiment.get("method") or ():
        activity = named.get(each["ref"], {}) if "ref" in each else each
        if activity.get("type") == "action":
            yield activity["name"]


def _all_activities(experiment: Mapping[str, Any]) -> Iterator[Activity]:
    yield from (experiment.get("steady-state-hypothesis") or {}).get("probes") or ()
    yield from experiment.get("method") or ()
    yield from experiment.get("rollbacks") or ()


def _failure(activity: Activity, run: Mapping[str, Any]) -> str | None:
    """Why an activity did not do what it should, as far as Chaos Toolkit tells; None: it did.

    A program that fails has succeeded by Chaos Toolkit's own account, which leaves its exit code to a tolerance.
    """
    if run.get("status") != "succeeded":
        return str(run.get("status"))
    output = run.get("output")
    if activity.get("provider", {}).get("type") == "process" and isinstance(output, dict) and output.get("status"):
        return f"exit code {output['status']}"
    return None
