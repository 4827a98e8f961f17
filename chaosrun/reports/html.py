"""`report.html`: the run on one page that needs nothing else: no server, no network, no second file.

Its content policy lets nothing run but the scripts and styles that are in it, by their hashes, and fetch nothing.
uPlot is taken from where the package `uplot-python` installed it.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from hashlib import sha256
from importlib.metadata import version
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import msgspec

from chaosrun.charts.picture import Picture
from chaosrun.reports._base import ScoredRun
from chaosrun.reports._markup import Markup, join, tag
from chaosrun.reports._page_data import data_block
from chaosrun.reports._page_figures import charts
from chaosrun.reports._page_more import details
from chaosrun.reports._page_top import first_screen, title
from chaosrun.reports._safe_text import clean
from chaosrun.reports._terminal import cleaned
from chaosrun.scoring.result import Result

SCRIPTS: Final = (
    "words.js",
    "theme.js",
    "timeline.js",
    "marks.js",
    "plot.js",
    "ribbon.js",
    "heat.js",
    "waterfall.js",
    "attempts.js",
    "losses.js",
    "rates.js",
    "roles.js",
    "observer.js",
    "main.js",
)
"""In the order in which they are put together: one script, whose parts know each other."""
_OPENING: Final = "(() => {\n'use strict';\n"
_CLOSING: Final = "\n})();\n"


def render(run: ScoredRun) -> Mapping[str, bytes]:
    """The page of a run."""
    result, picture = cleaned(run.result), _cleaned(run.picture)
    uplot, charting = _uplot("uPlot.iife.js"), _OPENING + "\n".join(map(_asset, SCRIPTS)) + _CLOSING
    style, base = _asset("style.css"), _uplot("uPlot.min.css")
    scripts, styles = (uplot, charting), (base, style)
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=_policy(scripts, styles)),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", title(result)),
        *(tag("style", Markup(text)) for text in styles),
    )
    body = tag(
        "body",
        tag("main", first_screen(result, picture), charts(picture), details(result)),
        _foot(result),
        tag("script", data_block(result, picture), type="application/json", id="data"),
        *(tag("script", Markup(text)) for text in scripts),
    )
    page = join(Markup("<!doctype html>\n"), tag("html", head, body, lang="en"), Markup("\n"))
    return {"report.html": page.encode()}


def _policy(scripts: tuple[str, ...], styles: tuple[str, ...]) -> str:
    """Nothing but what is in the page, by its hashes."""
    return (
        f"default-src 'none'; script-src {_hashes(scripts)}; style-src {_hashes(styles)}; "
        "base-uri 'none'; form-action 'none'"
    )


def _hashes(texts: tuple[str, ...]) -> str:
    return " ".join(f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'" for text in texts)


def _asset(name: str) -> str:
    return (files("chaosrun.reports") / "page" / name).read_text("utf-8")


def _uplot(name: str) -> str:
    """A file of uPlot, without importing the package around it, which brings a whole notebook along."""
    spec = find_spec("uplot")
    if spec is None or spec.origin is None:
        raise FileNotFoundError("uPlot is not installed; install chaosrun again, or: pip install uplot-python")
    # A carriage return in a page is read as a line end, and its hash would be another.
    return (Path(spec.origin).parent / "static" / name).read_text("utf-8").replace("\r\n", "\n")


def _foot(result: Result) -> Markup:
    made = f"Made by chaosrun {result.chaosrun_version} from the journal of the run. "
    one = "One run is a demonstration, not proof: what fails 19 times in 20 can pass one (--repeat). "
    drawn = (
        f"Charts by uPlot, copyright Leon Sorokin, MIT licence, as packaged by uplot-python {version('uplot-python')}."
    )
    return tag("footer", tag("p", one), tag("p", made, drawn))


def _cleaned(picture: Picture) -> Picture:
    """The picture with every name in it fit to be read."""
    return msgspec.convert(_clean_texts(msgspec.to_builtins(picture)), Picture)


def _clean_texts(value: Any) -> Any:
    match value:
        case str():
            return clean(value)
        case dict():
            return {name: _clean_texts(item) for name, item in value.items()}
        case list() | tuple():
            return [_clean_texts(item) for item in value]
        case _:
            return value
