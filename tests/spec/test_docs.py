"""The examples of docs/experiment-format.md are right."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "experiment-format.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE.read_text(), flags=re.MULTILINE | re.DOTALL)


def block(start: str) -> str:
    return next(text for text in blocks("yaml") if text.startswith(start))


def test_the_protocol_of_the_page_is_one(load) -> None:
    base = """\
title: t
secrets: {ws_token: x}
steady_state: {load: {a: {protocol: p.yaml, clients: 1, requests: 10/s, channels: {list: [A]}}}}
target: {reference: mt5-bridge}
"""
    example = block("path:").replace("json: [body]", "json: []").replace("head: next", "")
    load(base=base, files={"p.yaml": example})


def test_the_pollers_of_their_own_page_are_right(load) -> None:
    (example,) = re.findall(
        r"^```yaml\n(.*?)^```$", (ROOT / "docs" / "http-load.md").read_text(), re.MULTILINE | re.DOTALL
    )
    state = "title: t\nsteady_state:\n" + "".join(f"  {line}\n" for line in example.splitlines())
    accounts = {"accounts.csv": "id,token\n1,a\n"}
    loaded = load(base=state + "target: {reference: stock-tracker}\n", files=accounts)
    assert [each.called() for each in loaded.experiment.steady_state.load["dashboards"].http] == [
        "GET /api/market/snapshot",
        "details",
        "order",
    ]


def test_the_targets_of_the_page_are_some(load) -> None:
    for start in ("reference:", "url:"):
        load(files={"t.yaml": block(start)}, target="t.yaml")


def test_steps_criteria_and_values_of_the_page_are_right(load) -> None:
    load(block("method:") + block("expect:") + block("configuration:"))


def test_the_python_of_the_page_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    (source,) = blocks("python")
    names: dict[str, object] = {}
    exec(source, names)
    assert names["plan"]


def test_every_key_of_the_types_is_on_the_page() -> None:
    from chaosrun.spec import model

    words = set(re.findall(r"[a-z_]+", PAGE.read_text()))
    types = (model.Experiment, model.Recovery, model.Timing, model.Group, model.Target, model.Role, model.Protocol)
    missing = {key for kind in (*types, model.Stream, model.Criterion, model.Guard) for key in kind.key_names()} - words
    assert not missing


def test_the_guards_of_their_own_page_are_right(load) -> None:
    text = (ROOT / "docs" / "guards.md").read_text()
    (example,) = re.findall(r"^```yaml\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
    inline = re.findall(r"`(\{http: .*\})`\.$", text, flags=re.MULTILINE)
    assert len(inline) == 2
    load(example + "".join(f"  - {entry}\n" for entry in inline))


def test_every_metric_that_a_guard_takes_is_on_the_page() -> None:
    from chaosrun.spec.guarded import GUARDED

    assert set(GUARDED) <= set(re.findall(r"[a-z0-9_]+", PAGE.read_text()))
