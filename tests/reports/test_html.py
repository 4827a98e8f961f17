"""The page as bytes: it holds all it needs, lets nothing else run, and no text in it can become markup."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser

import pytest
from hand_built import ABSORBED, DIRTY, FAILED, INCONCLUSIVE, NEVER_RECOVERED, PASSED
from hand_drawn import drawn, picture
from msgspec.structs import replace

from chaosrun.charts.picture import Ribbon
from chaosrun.reports._markup import Markup, join, tag
from chaosrun.reports._page_data import safe_json
from chaosrun.reports.html import render
from chaosrun.scoring.result import Finding, Result

HOSTILE = '</script><img src=x onerror=alert(1)>\x1b[31m\u202e"&\u2028'


def page(result: Result = PASSED, **changes: object) -> str:
    return render(drawn(result, picture(**changes)))["report.html"].decode()


class Elements(HTMLParser):
    """Which elements there are, with their attributes, and what stands in scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.inside: dict[str, list[str]] = {"script": [], "style": []}
        self.text = ""
        self._in: str | None = None
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        self._in = tag if tag in self.inside else None
        if self._in:
            self.inside[tag].append("")

    def handle_endtag(self, tag: str) -> None:
        self._in = None

    def handle_data(self, data: str) -> None:
        if self._in:
            self.inside[self._in][-1] += data
        else:
            self.text += data


# ---- what is in it --------------------------------------------------------------------------------------------------


def test_a_page_of_300_clients_and_five_minutes_is_below_500_kb() -> None:
    assert len(page(clients=300, seconds=300.0)) < 500_000


def test_ten_thousand_clients_and_an_hour_need_hardly_more() -> None:
    assert len(page(clients=10_000, seconds=3600.0)) < 600_000


def test_the_same_run_gives_the_same_bytes() -> None:
    assert page() == page()


def test_the_first_screen_needs_no_script() -> None:
    text = Elements(page(FAILED)).text
    for told in ("Failed", FAILED.title, "2 of 7 criteria broken", "12.4 s", "limit 10 s", "300 of 300"):
        assert told in text
    for finding in FAILED.findings:
        assert finding.title in text and finding.action in text and finding.evidence in text


def test_every_criterion_has_its_window_limit_value_and_error() -> None:
    text = Elements(page()).text
    for criterion in PASSED.criteria:
        assert criterion.name in text and criterion.written in text
    assert "2.71 ms ± 400 us" in text


@pytest.mark.parametrize(
    ("result", "told"),
    [
        (NEVER_RECOVERED, "112 never came back"),
        (INCONCLUSIVE, "No fault was injected"),
        (ABSORBED, "absorbed: no impact was seen"),
        (DIRTY, "start it by hand"),
    ],
    ids=["never recovered", "inconclusive", "absorbed", "dirty"],
)
def test_what_matters_most_is_said_of_each_kind_of_run(result: Result, told: str) -> None:
    assert told in Elements(page(result)).text


def test_a_load_test_is_told_by_what_it_served_not_by_a_recovery() -> None:
    text = Elements(page(replace(PASSED, faults=[]), faults=[], marks=[], waterfalls=[])).text
    assert "Response p99" in text and "Time to recover" not in text


def test_every_chart_has_a_caption_a_sentence_and_a_table() -> None:
    found = Elements(page())
    names = [attributes["data-chart"] for name, attributes in found.found if name == "figure"]
    assert names == ["ribbon", "heat", "waterfall", "losses", "rates", "roles", "observer"]
    assert sum(name == "figcaption" for name, _ in found.found) == len(names)
    assert found.text.count("as table") >= len(names)
    assert "At most 300/s requests were due and 300/s answered well; at most 1500/s pushed messages." in found.text


def test_a_single_client_that_was_down_for_an_instant_is_in_the_strip() -> None:
    t, planned = [0.0, 1800.0, 1800.01], [10_000] * 3
    usable, down = [10_000, 9_999, 10_000], [0, 1, 0]
    ribbon = Ribbon(
        t=t, planned=planned, usable=usable, degraded=[0] * 3, down=down, usable_max=usable, lost_client_seconds=0.01
    )
    paths = {
        attributes["class"]: attributes["d"]
        for name, attributes in Elements(page(seconds=3600.0, clients=10_000, ribbon=ribbon)).found
        if name == "path"
    }
    assert paths["down"] == "M500 0H502V2H500Z"
    assert paths["degraded"] == ""


def test_a_run_that_lost_nothing_and_has_no_numbers_has_a_page() -> None:
    whole = picture(clients=3)
    (group,) = whole.groups
    nothing = replace(group.losses, classes=[], channel=None)
    text = render(drawn(PASSED, replace(whole, groups=[replace(group, losses=nothing)])))["report.html"].decode()
    assert 'id="losses-0"' in text


def test_tables_are_bounded() -> None:
    small, large = (page(clients=n, seconds=t).count("<tr>") for n, t in ((300, 300.0), (10_000, 36_000.0)))
    assert small < 400 and large < 400


# ---- what may run ---------------------------------------------------------------------------------------------------


def test_the_policy_names_every_script_and_style_and_nothing_else() -> None:
    found = Elements(page())
    policy = next(
        attributes["content"] or ""
        for name, attributes in found.found
        if name == "meta" and attributes.get("http-equiv") == "Content-Security-Policy"
    )
    kinds = [attributes.get("type") for name, attributes in found.found if name == "script"]
    running = [text for kind, text in zip(kinds, found.inside["script"], strict=True) if kind != "application/json"]
    assert set(re.findall(r"'sha256-[^']+'", policy)) == {_hash(text) for text in [*running, *found.inside["style"]]}
    assert policy.startswith("default-src 'none'; ") and "unsafe" not in policy and "*" not in policy


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


def test_nothing_in_it_would_need_what_the_policy_forbids() -> None:
    for name, attributes in Elements(page()).found:
        assert not {"style", "src", "href", "srcset", "action"} & attributes.keys(), name
        assert not [each for each in attributes if each.startswith("on")], name


def test_our_scripts_make_no_markup_and_load_nothing() -> None:
    ours = Elements(page()).inside["script"][2]
    for word in ("innerHTML", "outerHTML", "insertAdjacent", "document.write", "eval(", "fetch(", "http:", "https:"):
        assert word not in ours


def test_uplot_is_named_with_its_licence() -> None:
    found = Elements(page())
    assert "uPlot" in found.text and "MIT" in found.text
    assert "Copyright (c)" in found.inside["script"][1] and "MIT" in found.inside["script"][1]


# ---- text of others -------------------------------------------------------------------------------------------------


def test_hostile_text_is_text_wherever_it_stands() -> None:
    finding = Finding(severity=HOSTILE, title=HOSTILE, evidence=HOSTILE, action=HOSTILE)
    result = replace(
        FAILED,
        title=HOSTILE,
        tags=[HOSTILE],
        reasons=[HOSTILE],
        findings=[finding],
        verdict="failed",
        stopped_by=HOSTILE,
        faults=[replace(FAILED.faults[0], name=HOSTILE, role=HOSTILE, detail=HOSTILE)],
        criteria=[
            replace(each, name=HOSTILE, why=HOSTILE, written=HOSTILE, window=HOSTILE) for each in FAILED.criteria
        ],
        groups={HOSTILE: FAILED.groups["accounts"]},
    )
    plain = Elements(page(FAILED))
    drawing = picture()
    role = replace(drawing.roles[0], name=HOSTILE)
    group = replace(drawing.groups[0], name=HOSTILE, losses=replace(drawing.groups[0].losses, channel=HOSTILE))
    mark = replace(drawing.marks[0], label=HOSTILE)
    changed = replace(drawing, roles=[role, *drawing.roles[1:]], groups=[group], marks=[mark, *drawing.marks[1:]])
    text = render(drawn(result, changed))["report.html"].decode()
    found = Elements(text)
    assert "img" not in {name for name, _ in found.found}
    assert len(found.inside["script"]) == len(plain.inside["script"])
    assert "onerror=alert(1)" in found.text
    assert not {"\x1b", "\u202e", "\u2028"} & set(text)
    block = json.loads(found.inside["script"][0])
    assert block["roles"][0]["name"].startswith("</script><img src=x onerror=alert(1)>\\x1b")


def test_no_text_ends_the_data_block() -> None:
    spelt = safe_json({"a": "</script><!--&\u2028\u2029"})
    assert not set("<>&\u2028\u2029") & set(spelt)
    assert json.loads(spelt) == {"a": "</script><!--&\u2028\u2029"}


def test_text_is_escaped_unless_it_was_made_as_markup() -> None:
    assert tag("p", "a < b", tag("b", "&"), title='"x"', hidden=True, id=None) == (
        '<p title="&quot;x&quot;" hidden>a &lt; b<b>&amp;</b></p>'
    )
    assert isinstance(join("<", Markup("<br>")), Markup)
    assert join("<", Markup("<br>")) == "&lt;<br>"
