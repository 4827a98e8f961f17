from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from chaosrun.spec import schema

ROOT = Path(__file__).parents[2]
FOLDERS = ("experiments", "experiments/protocols", "experiments/targets", "steady_state", "experiments/gamedays")
SHIPPED = [path for folder in FOLDERS for path in sorted((ROOT / folder).glob("*.yaml"))]


def validator(name: str) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(json.loads((schema.FOLDER / f"{name}.json").read_text()))


def test_the_committed_schemas_are_what_the_types_say() -> None:
    assert schema.stale() == [], "run: python -m chaosrun.spec.schema --write"


def test_a_stale_schema_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "target.json").write_text("{}")
    assert set(schema.stale(tmp_path)) == set(schema.FILES)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_every_shipped_file_names_its_schema_and_is_valid_by_it(path: Path) -> None:
    first = path.read_text().splitlines()[0]
    assert first.startswith("# yaml-language-server: $schema=")
    named = (path.parent / first.partition("=")[2]).resolve()
    assert named.parent == schema.FOLDER
    validator(named.stem).validate(yaml.safe_load(path.read_text()))


@pytest.mark.parametrize("name", schema.FILES)
def test_every_schema_is_one(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(schema.schema(name))


GROUP = {"protocol": "mt5", "clients": 3}


@pytest.mark.parametrize(
    ("group", "valid"),
    [
        (GROUP, True),
        (GROUP | {"clients": "${n}"}, True),
        (GROUP | {"latency_limit": "${limit}"}, True),
        (GROUP | {"protocol": "../protocols/own.yaml"}, True),
        (GROUP | {"protocol": {"request": {"send": 1, "reply": 1}}}, True),
        (GROUP | {"heartbeat": "30s"}, True),
        (GROUP | {"cleints": 3}, False),
        (GROUP | {"latency_limit": 30}, False),
        (GROUP | {"transport": "tcp"}, False),
        (GROUP | {"tls": {"verify": False}}, True),
        (GROUP | {"tls": {"verify": "no"}}, False),
        (GROUP | {"source_addresses": "127.0.0.0/24"}, True),
        (GROUP | {"http": []}, False),
    ],
)
def test_an_editor_is_told_what_the_loader_would_say(group: dict[str, object], valid: bool) -> None:
    assert validator("steady_state").is_valid({"load": {"a": group}}) is valid


@pytest.mark.parametrize(
    ("step", "valid"),
    [
        ({"fault": "noop"}, True),
        ({"pause": "3s"}, True),
        ({"fault": "process_kill", "role": "server"}, True),
        ({"fault": "added_by_a_package", "whatever": 1}, True),
        ({"fault": "process_kill", "rol": "server"}, False),
        ({"fault": "toxiproxy"}, False),
    ],
)
def test_steps_are_open_to_kinds_that_packages_add(step: dict[str, object], valid: bool) -> None:
    document = {"title": "t", "steady_state": "s.yaml", "target": "t.yaml", "method": [step]}
    assert validator("experiment").is_valid(document) is valid


def test_keys_carry_what_the_source_says_of_them() -> None:
    group = schema.schema("steady_state")["$defs"]["Group"]["properties"]
    assert group["connect_within"]["description"].startswith("How soon a client should be open")
