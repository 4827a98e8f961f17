"""`story.png`: a run as one picture of 1200 x 630, for chats: verdict, title, three figures, the ribbon of its clients.

It is made where Pillow is (the extra `png`) and left out where it is not; the page shows the same. Its font
is the one inside Pillow, so that it looks alike everywhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from io import BytesIO
from math import ceil
from typing import TYPE_CHECKING, Final, NamedTuple

from chaosrun.charts.picture import Picture, Ribbon
from chaosrun.foreign import brief
from chaosrun.reports._base import ScoredRun
from chaosrun.reports._story import headline, seconds, with_error
from chaosrun.scoring.result import Result

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont, ImageFont

SIZE: Final = (1200, 630)
"""Pixels; what chats show of a link ("og:image")."""
_LEFT, _RIGHT = 60, 1140
_TOP, _BOTTOM = 420, 550
"""Of the ribbon."""

_GROUND, _TEXT, _DIM, _LINE = "#10161f", "#f2f5f9", "#9fb0c3", "#2b3747"
_VERDICTS: Final = {"passed": "#2ea86b", "failed": "#e5484d"}
_DOUBT: Final = "#e2a336"
_USABLE, _DEGRADED, _DOWN, _UNPLANNED = "#2ea86b", "#e2a336", "#e5484d", "#1b2430"


def render(run: ScoredRun) -> Mapping[str, bytes]:
    if find_spec("PIL") is None:
        return {}
    return {"story.png": draw(run.result, run.picture)}


def draw(result: Result, picture: Picture) -> bytes:
    """The picture; the same bytes for the same run and version of Pillow."""
    from PIL import Image  # noqa: PLC0415 - an extra
    from PIL.ImageDraw import Draw  # noqa: PLC0415 - as above

    image = Image.new("RGB", SIZE, _GROUND)
    canvas = Draw(image)
    colour = _VERDICTS.get(result.verdict, _DOUBT)
    canvas.rectangle((0, 0, 14, SIZE[1]), fill=colour)
    _heading(canvas, result, colour)
    _figures(canvas, result)
    _legend(canvas)
    _ribbon(canvas, picture)
    _footer(canvas, result)
    data = BytesIO()
    image.save(data, "PNG", optimize=True)
    return data.getvalue()


def _heading(canvas: ImageDraw, result: Result, colour: str) -> None:
    verdict = brief(result.verdict, 20).upper()
    font = _font(34)
    width = canvas.textlength(verdict, font=font)
    canvas.rounded_rectangle((_LEFT, 40, _LEFT + width + 44, 96), radius=12, fill=colour)
    canvas.text((_LEFT + 22, 68), verdict, font=font, fill="#ffffff", anchor="lm", stroke_width=0.6)
    told = headline(result)
    beside = _LEFT + width + 68
    canvas.text((beside, 68), _fitted(canvas, told, 26, _RIGHT - beside), font=_font(26), fill=_DIM, anchor="lm")
    for place, line in enumerate(_lines(canvas, brief(result.title), 44, 2)):
        canvas.text((_LEFT, 122 + 54 * place), line, font=_font(44), fill=_TEXT, stroke_width=0.6)


def _figures(canvas: ImageDraw, result: Result) -> None:
    for place, (label, value, more) in enumerate(figures(result)):
        left = _LEFT + place * 370
        canvas.text((left, 254), label, font=_font(22), fill=_DIM)
        canvas.text((left, 284), _fitted(canvas, value, 54, 350), font=_font(54), fill=_TEXT, stroke_width=0.6)
        canvas.text((left, 354), _fitted(canvas, more, 22, 350), font=_font(22), fill=_DIM)


class Figure(NamedTuple):
    label: str
    value: str
    more: str = ""


def figures(result: Result) -> tuple[Figure, Figure, Figure]:
    """How long it took, who was hurt, and what was lost; of a run without a fault, how many were served, and when."""
    requests, push = result.messages.requests, result.messages.push
    lost = requests.lost_connected + requests.lost_at_break
    pushes = None if push is None else push.lost_connected + push.missed_disconnected + (push.tail or 0)
    missed = "" if pushes is None else f"and {pushes:,} pushed messages"
    messages = Figure("requests without a reply", f"{lost:,}", missed)
    worst = result.recovery
    if worst.absorbed is None and worst.ttr_s is None and worst.ttr_above_s is None:
        everything = result.latency_ms.response.get("all")
        p99 = None if everything is None or everything.p99 is None else everything.p99 / 1e3
        peak = result.clients.peak_usable
        served = "unknown" if peak is None else f"{peak:,}"
        planned = f"of {result.clients.planned:,} planned"
        return Figure("most clients served at a time", served, planned), Figure("response p99", seconds(p99)), messages
    hurt = "unknown" if worst.affected_clients is None else f"{worst.affected_clients:,}"
    never = f"{worst.back_s.never:,} never came back" if worst.back_s.never else f"of {result.clients.planned:,}"
    return _recovered(result), Figure("clients hurt", hurt, never), messages


def _recovered(result: Result) -> Figure:
    worst = result.recovery
    label = "time to recover" + (f", worst of {len(worst.episodes)}" if len(worst.episodes) > 1 else "")
    if worst.absorbed:
        blind = "none was seen" if worst.blind_s is None else f"none longer than {seconds(worst.blind_s)}"
        return Figure(label, "no impact", blind)
    if worst.ttr_s is None:
        return Figure(label, f"> {seconds(worst.ttr_above_s)}", "not recovered while observed")
    error = with_error(worst.ttr_s, worst.error_s).partition(" ± ")[2]
    return Figure(label, seconds(worst.ttr_s), f"± {error}" if error else "")


# ---- the ribbon -----------------------------------------------------------------------------------------------------


def _ribbon(canvas: ImageDraw, picture: Picture) -> None:
    """Clients by how they are, a column of pixels for each stretch of time, at its worst moment."""
    canvas.rectangle((_LEFT, _TOP, _RIGHT, _BOTTOM), fill=_UNPLANNED)
    span = _planned_span(picture)
    if span is None:
        return
    states = _states(picture, span, _RIGHT - _LEFT)
    most = max(planned for planned, *_ in states)
    for x, (planned, usable, degraded) in enumerate(states, _LEFT):
        base = float(_BOTTOM)
        for count, colour in ((usable, _USABLE), (degraded, _DEGRADED), (planned - usable - degraded, _DOWN)):
            height = count / most * (_BOTTOM - _TOP)
            if count:
                canvas.line((x, base, x, base - height), fill=colour)
            base -= height
    _marks(canvas, picture, span)


def _legend(canvas: ImageDraw) -> None:
    font, right = _font(18), float(_RIGHT)
    for word, colour in (("down", _DOWN), ("connected, not served", _DEGRADED), ("usable", _USABLE)):
        right -= canvas.textlength(word, font=font)
        canvas.text((right, 602), word, font=font, fill=_DIM, anchor="lm")
        canvas.rectangle((right - 20, 596, right - 8, 608), fill=colour)
        right -= 40


Span = tuple[float, float]
"""Of run time, in seconds."""


def _planned_span(picture: Picture) -> Span | None:
    """When any client was to be up; None: never."""
    wanted = [
        (start, end)
        for group in picture.groups
        for start, end, planned in zip(group.ribbon.t, _ends(group.ribbon, picture), group.ribbon.planned, strict=True)
        if planned and end > start
    ]
    return (min(start for start, _ in wanted), max(end for _, end in wanted)) if wanted else None


def _ends(ribbon: Ribbon, picture: Picture) -> list[float]:
    return [*ribbon.t[1:], picture.end]


State = tuple[int, int, int]
"""Clients planned, usable, degraded."""


def _states(picture: Picture, span: Span, columns: int) -> list[State]:
    """Of all groups together, per column: of each group its worst moment there."""
    begin, scale = span[0], columns / (span[1] - span[0])
    sums = [(0, 0, 0)] * columns
    for group in picture.groups:
        ribbon = group.ribbon
        worst: list[State] = [(0, 0, 0)] * columns
        for i, (start, end) in enumerate(zip(ribbon.t, _ends(ribbon, picture), strict=True)):
            row = ribbon.planned[i], ribbon.usable[i], ribbon.degraded[i]
            # A row that begins within a column counts there, too; what is outside of the span is in none.
            first, last = max(0, int((start - begin) * scale)), min(columns, ceil((end - begin) * scale))
            for x in range(first, last):
                worst[x] = max(worst[x], row, key=lambda each: (each[0] - each[1], each[0]))
        sums = [(p + a, u + b, d + c) for (p, u, d), (a, b, c) in zip(sums, worst, strict=True)]
    return sums


_SHOWN: Final = {"fault": "fault", "recovered": "recovered", "stopped": "stopped"}


def _marks(canvas: ImageDraw, picture: Picture, span: Span) -> None:
    """The instants that the story is about; a word only where there is room for it."""
    font, free = _font(20), 0.0
    for mark in picture.marks:
        if mark.kind not in _SHOWN or not span[0] <= mark.t <= span[1]:
            continue
        x = _LEFT + (mark.t - span[0]) / (span[1] - span[0]) * (_RIGHT - _LEFT)
        canvas.line((x, _TOP - 8, x, _BOTTOM + 8), fill=_TEXT, width=2)
        word = _SHOWN[mark.kind]
        width = canvas.textlength(word, font=font)
        left = min(x - width / 2, _RIGHT - width)
        if left >= free:
            canvas.text((left, _BOTTOM + 10), word, font=font, fill=_TEXT)
            free = left + width + 12


def _footer(canvas: ImageDraw, result: Result) -> None:
    profile = f" · profile {brief(result.profile, 30)}" if result.profile else ""
    version = brief(result.chaosrun_version, 20)
    begun = brief(result.started_at[:16].replace("T", " "), 30)
    told = f"{begun} UTC · {seconds(round(result.duration_s, 1))}{profile} · chaosrun {version}"
    canvas.text((_LEFT, 602), _fitted(canvas, told, 20, 680), font=_font(20), fill=_DIM, anchor="lm")


# ---- text -----------------------------------------------------------------------------------------------------------


def _font(size: int) -> FreeTypeFont | ImageFont:
    from PIL.ImageFont import load_default  # noqa: PLC0415 - an extra

    return load_default(size)


def _fitted(canvas: ImageDraw, text: str, size: int, width: float) -> str:
    """As much of it as fits, with a sign where it was more."""
    return next(_lines(canvas, text, size, 1, width), "")


def _lines(canvas: ImageDraw, text: str, size: int, most: int, width: float = _RIGHT - _LEFT) -> Iterator[str]:
    """Broken at spaces; the last line ends with a sign where text is left."""
    font, words = _font(size), text.split()
    for number in range(1, most + 1):
        line = ""
        while words and canvas.textlength(f"{line} {words[0]}".strip(), font=font) <= width:
            line = f"{line} {words.pop(0)}".strip()
        if words and (number == most or not line):
            line = f"{line} {words.pop(0)}".strip()
            while line and canvas.textlength(f"{line}...", font=font) > width:
                line = line[:-1]
            yield f"{line}..."
            return
        if line:
            yield line
