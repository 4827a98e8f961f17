"""The control: holds chaosrun's load around an experiment of Chaos Toolkit, tells it of the fault, and has it scored.

    "controls": [{"name": "chaosrun", "provider": {"type": "python", "module": "chaosrun.ctk.control",
                  "arguments": {"run": "load.yaml", "profile": "smoke"}}}]

The names and signatures of these functions are Chaos Toolkit's; `arguments` are those of the provider.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, Final

from chaoslib.exceptions import InterruptExecution, InvalidActivity
from chaoslib.types import Dry

from chaosrun.ctk._load import STAGE, HeldLoad, Unproved
from chaosrun.ctk._marks import Marks
from chaosrun.running import Asked
from chaosrun.scoring.result import Result, encode

logger = logging.getLogger("chaostoolkit")

KEY: Final = "chaosrun"
"""Of the journal, where the result is."""
_OF_THE_LOAD: Final = tuple(each.name for each in fields(Asked) if each.name != "repeat")
_KNOWN: Final = (*_OF_THE_LOAD, "begins", "ends")


def validate_control(control: Mapping[str, Any]) -> None:
    """
    Raises:
        InvalidActivity: the arguments are wrong, with what would be right.
    """
    arguments = control["provider"].get("arguments") or {}
    name = control.get("name")
    for key in arguments:
        if key not in _KNOWN:
            raise InvalidActivity(f"control {name!r} has no argument {key!r}; known: {', '.join(_KNOWN)}")
    for key, kind, what in (("sets", dict, "a mapping"), ("arguments", list, "a list")):
        if not isinstance(arguments.get(key, kind()), kind):
            raise InvalidActivity(f"control {name!r}: {key!r} must be {what}, not {arguments[key]!r}")
    if not isinstance(arguments.get("run"), str):
        raise InvalidActivity(f'control {name!r} needs the argument "run": the experiment of chaosrun to be held')


def configure_control(experiment: Mapping[str, Any], event_registry: Any = None, **arguments: Any) -> None:
    """Called once, before everything else, and the only one that may listen to events."""
    if event_registry is not None:
        event_registry.register(Marks(experiment, arguments.get("begins"), arguments.get("ends")))


def before_experiment_control(context: Mapping[str, Any], **arguments: Any) -> None:
    """Start the load, and wait until its baseline was steady.

    Raises:
        InterruptExecution: it was not, or could not be started; nothing of the experiment is done.
    """
    STAGE.is_dry = context.get("dry") in (Dry.ACTIONS, Dry.ACTIVITIES)
    if STAGE.is_dry:
        logger.info("chaosrun holds no load in a rehearsal")
        return
    amiss = Marks(context, arguments.get("begins"), arguments.get("ends")).amiss()
    if amiss is not None:
        raise InterruptExecution(f"chaosrun cannot tell when the fault of this experiment begins: {amiss}")
    if STAGE.load is not None and STAGE.load.goes_on:
        raise InterruptExecution("chaosrun: a load is held already; declare the control once")
    asked = Asked(**{key: value for key, value in arguments.items() if key in _OF_THE_LOAD})
    logger.info("chaosrun holds the load of %s, and waits for its baseline", asked.run)
    STAGE.load = HeldLoad(asked, logger.debug)
    try:
        STAGE.load.wait_until_steady()
    except Unproved as error:
        raise InterruptExecution(f"chaosrun: {error}") from error
    except BaseException:  # Ctrl-C, or SIGTERM
        STAGE.load.stop()
        raise


def before_method_control(context: Mapping[str, Any], **_arguments: Any) -> None:
    """
    Raises:
        InterruptExecution: the load is not there any more, and without it nothing is injected.
    """
    if STAGE.load is not None:
        try:
            STAGE.load.check()
        except Unproved as error:
            raise InterruptExecution(f"chaosrun: {error}") from error


def after_experiment_control(context: Mapping[str, Any], state: dict[str, Any], **_arguments: Any) -> None:
    """Have the run scored, and put what came of it into the journal.

    A run that failed makes the experiment deviate, one that proved nothing makes it fail.
    """
    load = STAGE.load
    if load is None:
        return
    try:
        if state.get("status") in ("interrupted", "aborted") or not load.is_over:
            if load.goes_on and load.begun and not load.is_over:
                logger.error("chaosrun was never told that the fault is over; its load is ended without a score")
            load.stop()
        result = load.result()
    except Unproved as error:
        logger.error("chaosrun has no result: %s", error)
        state[KEY] = {"verdict": None, "exit_code": load.exit_code, "reasons": [str(error)]}
        _fail(state)
    else:
        state[KEY] = {"report": _report(load.folder), **json.loads(encode(result))}
        _judge(state, result, load)
    finally:
        load.stop()


def cleanup_control() -> None:
    """Called last, whatever happened."""
    if STAGE.load is not None:
        STAGE.load.stop()
        STAGE.load = None


def _judge(state: dict[str, Any], result: Result, load: HeldLoad) -> None:
    logger.info("chaosrun: %s (report: %s)", result.verdict, _report(load.folder))
    for reason in result.reasons:
        logger.critical("chaosrun: %s", reason)
    if result.verdict == "failed":
        state["deviated"] = True
    elif result.verdict != "passed" or load.exit_code != 0:
        _fail(state)


def _fail(state: dict[str, Any]) -> None:
    """What was interrupted stays so."""
    if state.get("status") not in ("interrupted", "aborted"):
        state["status"] = "failed"


def _report(folder: Path | None) -> str | None:
    page = None if folder is None else folder / "report.html"
    return str(page if page is not None and page.is_file() else folder) if folder is not None else None
