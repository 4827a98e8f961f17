"""The charts of the page as figures: caption, a sentence with the numbers, and a table. The script draws into them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Final

from chaosrun.charts.picture import GroupPicture, Picture
from chaosrun.reports import _page_tables as tables
from chaosrun.reports import _page_words as words
from chaosrun.reports._markup import Markup, join, tag

_TOOLS: Final = (("zoom-in", "+", "Zoom in"), ("zoom-out", "\N{MINUS SIGN}", "Zoom out"), ("reset", "Whole run", None))


def charts(picture: Picture) -> Markup:
    """The section of all charts, a part for each group and one for what they share."""
    several = len(picture.groups) > 1
    level = "h4" if several else "h3"  # of the headings of charts: below that of the group, where it has one
    parts = [
        tag(
            "section",
            _heading(group) if several else Markup(""),
            *_of_group(g, group, picture.end, level),
            class_="group",
        )
        for g, group in enumerate(picture.groups)
    ]
    shared = tag(
        "section", tag("h3", "The machine") if several else Markup(""), *_shared(picture, level), class_="group"
    )
    return tag("section", tag("h2", "What happened, second by second"), _bar(), *parts, shared, id="charts")


def _heading(group: GroupPicture) -> Markup:
    return tag("h3", group.name, tag("small", f" {group.kind}, {group.clients:,} clients"))


def _bar() -> Markup:
    buttons = [tag("button", sign, id=name, type="button", aria_label=label) for name, sign, label in _TOOLS]
    span = tag("span", id="shown", class_="shown")
    at = tag("span", id="at", class_="at")
    bar = tag("div", tag("div", *buttons, class_="buttons"), span, at, class_="bar", hidden=True, id="bar")
    help_ = tag(
        "p",
        "Drag to zoom all charts, double click to see the whole run again. With the keyboard: Tab to a chart, "
        "arrow keys move the cursor, + and - zoom, Escape shows the whole run.",
        class_="help",
        id="keys",
        hidden=True,
    )
    without = tag(
        "noscript",
        tag(
            "p",
            "The charts are drawn by a script, which this browser does not run. What they say is "
            "below in words and tables.",
        ),
    )
    live = tag("p", id="live", class_="unseen", aria_live="polite")
    return join(bar, help_, without, live)


def _of_group(g: int, group: GroupPicture, end: float, level: str) -> Iterator[Markup]:
    figure = partial(_figure, level)
    clients = tag("p", "How many of the planned clients could be served at each instant.")
    yield figure("ribbon", g, "Clients", clients, words.of_ribbon(group.ribbon), tables.ribbon_table(group.ribbon, end))
    if group.heat is not None:
        told = tag(
            "p",
            "Each column holds the requests due then, each row those that took so long; a stronger colour is more of "
            "them. Above: from the instant a request was due, as users wait. Below: from the instant it was sent, as "
            "services are usually measured.",
        )
        table = tables.heat_table(group.heat)
        yield figure("heat", g, "How long users waited", told, words.of_heat(group.heat), table)
    if group.waterfalls:
        told = tag(
            "p",
            "A line for each client that was hit, from the loss of its service to its return, the first to return on "
            "top; strong from its first attempt to come back. Below: connection attempts.",
        )
        said = f"{words.of_waterfalls(group.waterfalls)} {words.of_attempts(group.attempts)}"
        table = join(tables.waterfall_table(group.waterfalls), tables.attempts_table(group.attempts))
        yield figure("waterfall", g, "How clients came back", told, said, table)
    elif sum(group.attempts.begun):
        said, table = words.of_attempts(group.attempts), tables.attempts_table(group.attempts)
        yield figure("attempts", g, "Connection attempts", tag("p", "Begun, opened and failed."), said, table)
    told = tag(
        "p", "Requests by when they were due, pushed messages by when they were published. Even a single one is drawn."
    )
    yield figure("losses", g, "What was lost", told, words.of_losses(group.losses), tables.losses_table(group.losses))
    told = tag("p", "Requests due and answered well, and messages pushed, a second.")
    yield figure("rates", g, "Throughput", told, words.of_rates(group.rates), tables.rates_table(group.rates))


def _shared(picture: Picture, level: str) -> Iterator[Markup]:
    figure = partial(_figure, level)
    if any(role.t for role in picture.roles):
        told = tag("p", "A sample a second of each role with its children; 100% is one core.")
        said, table = words.of_roles(picture.roles), tables.roles_table(picture.roles)
        yield figure("roles", None, "CPU and memory", told, said, table)
    told = tag("p", "How late chaosrun's own load was: what it measures while it is late is not to be trusted.")
    said, table = words.of_observer(picture.observer), tables.observer_table(picture.observer, picture.end)
    yield figure("observer", None, "The observer", told, said, table)


def _figure(level: str, kind: str, group: int | None, title: str, caption: Markup, said: str, table: Markup) -> Markup:
    name = f"{kind}-{group}" if group is not None else kind
    return tag(
        "figure",
        tag("figcaption", tag(level, title, id=f"{name}-title", class_="chart-title"), caption),
        tag("div", class_="plots"),
        tag("p", said, id=f"{name}-said", class_="said"),
        table,
        id=name,
        class_="panel",
        data_chart=kind,
        data_group=group,
        aria_labelledby=f"{name}-title",
    )
