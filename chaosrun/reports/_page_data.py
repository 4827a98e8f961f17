"""The data block of the page: the picture as JSON that no text in it can break out of."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from chaosrun.charts.picture import Picture, Waterfall
from chaosrun.reports._markup import Markup
from chaosrun.reports._page_words import CAUSES, CLASSES
from chaosrun.scoring.result import Result

_DECIMALS: Final = 4
"""0.1 ms: finer than any pixel of any zoom that shows something."""
_SPELT: Final = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
"""What could end a script element, or a line of a script, as JSON spells it."""


def data_block(result: Result, picture: Picture) -> Markup:
    """The JSON that the charts are drawn from."""
    block = _rounded(msgspec.to_builtins(picture))
    for group, drawn in zip(picture.groups, block["groups"], strict=True):
        drawn["waterfalls"] = [_columns(waterfall) for waterfall in group.waterfalls]
    block["words"] = CLASSES | CAUSES
    block["observer"]["lag_limit_ms"] = _lag_limit_ms(result)
    return Markup(safe_json(block))


def safe_json(value: Any) -> str:
    """JSON for a script element."""
    text = msgspec.json.encode(value).decode()
    for char, spelt in _SPELT.items():
        text = text.replace(char, spelt)
    return text


def _columns(waterfall: Waterfall) -> dict[str, Any]:
    """The lines of a waterfall as one list a column: their names need not be said a thousand times."""
    falls = waterfall.falls
    names = falls[0].__struct_fields__ if falls else ()
    lists = {name: _rounded([getattr(fall, name) for fall in falls]) for name in names}
    counts = {"affected": waterfall.affected, "never": waterfall.never, "falls": len(falls)}
    return {"episode": waterfall.episode, **counts, **lists}


def _rounded(value: Any) -> Any:
    match value:
        case float():
            short = round(value, _DECIMALS)
            return int(short) if short == int(short) else short
        case dict():
            return {name: _rounded(item) for name, item in value.items()}
        case list() | tuple():
            return [_rounded(item) for item in value]
        case _:
            return value


def _lag_limit_ms(result: Result) -> float | None:
    """Above that the event loop of the load was too late for its times to be trusted."""
    limits = (check.limit for check in result.observer.checks if check.name == "event-loop lag p99")
    return next((limit * 1000 for limit in limits if limit is not None), None)
