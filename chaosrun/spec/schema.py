"""The JSON Schemas for editors, generated from the types of the YAML: `python -m chaosrun.spec.schema --write`.

They are a help while writing and say less than the loader: typed leaves also accept `${...}`, files may stand for what
they hold, and a fault of an unknown kind is let through, since an installed package may add it.
"""

from __future__ import annotations

import argparse
import ast
import inspect
import json
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from chaosrun.spec import base, gameday, guard, http, limit, load, model, protocol, proxy, ready, steps, target
from chaosrun.spec.base import File

FILES: dict[str, type[File]] = {
    "experiment": model.Experiment,
    "steady_state": model.SteadyState,
    "target": model.Target,
    "protocol": model.Protocol,
    "gameday": gameday.GameDay,
}
"""The schemas by file name, and the type that each describes."""
_STEPS = (steps.base, steps.clients, steps.containers, steps.network, steps.processes, steps.service, steps.toxics)
FOLDER = Path(__file__).parents[2] / "schema"
TEXT_TOO = (
    ("Experiment", "steady_state"),
    ("Experiment", "target"),
    ("Group", "protocol"),
    ("Group", "heartbeat"),
    ("Role", "process"),
)
"""Keys that take text in place of the mapping that the type shows: the name of a file, or a short form."""

_REFERENCE = {"type": "string", "pattern": r"\$\{[^{}]+\}", "description": "A value of `configuration` or `secrets`."}


def schema(name: str) -> dict[str, Any]:
    """The JSON Schema of one kind of file."""
    kind = FILES[name]
    raw = kind.model_json_schema(by_alias=True)
    definitions = raw.pop("$defs", {})
    for title, definition in [(kind.__name__, raw), *definitions.items()]:
        _describe(title, definition)
        for key, leaf in definition.get("properties", {}).items():
            if (title, key) in TEXT_TOO:
                definition["properties"][key] = _or_text(leaf)
    if "OtherFaultStep" in definitions:
        definitions["OtherFaultStep"]["properties"]["fault"] = _other_kinds()
    definitions = {title: _open(definition) for title, definition in definitions.items()}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **_open(raw),
        "$defs": {**definitions, "reference": _REFERENCE},
    }


def text(name: str) -> str:
    """The schema as it is committed."""
    return json.dumps(schema(name), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def stale(folder: Path = FOLDER) -> list[str]:
    """The names of the schemas in `folder` that are not what the types say."""
    files = {name: folder / f"{name}.json" for name in FILES}
    return [name for name, file in files.items() if not file.is_file() or file.read_text() != text(name)]


def _other_kinds() -> dict[str, Any]:
    return {"type": "string", "not": {"enum": [*steps.BUILT_IN]}, "description": "An installed kind."}


def _or_text(leaf: dict[str, Any]) -> dict[str, Any]:
    choices = leaf.pop("anyOf", None) or leaf.pop("oneOf", None) or [{"$ref": leaf.pop("$ref")}]
    return {**leaf, "anyOf": [*choices, {"type": "string"}]}


def _open(node: Any) -> Any:
    """Let `${...}` stand wherever a typed leaf does, and a value fit more than one of several forms."""
    if isinstance(node, list):
        return [_open(item) for item in node]
    if not isinstance(node, dict):
        return node
    if _is_typed_leaf(node):
        notes = {key: node[key] for key in ("default", "description", "title") if key in node}
        return {**notes, "anyOf": [{k: v for k, v in node.items() if k not in notes}, {"$ref": "#/$defs/reference"}]}
    node = {key: _open(value) if key not in ("default", "examples", "not") else value for key, value in node.items()}
    if "oneOf" in node:
        node["anyOf"] = node.pop("oneOf")
    return node


def _is_typed_leaf(node: dict[str, Any]) -> bool:
    """A number, a truth value, or text of a certain form."""
    if node.get("type") == "string":
        return bool(node.keys() & {"pattern", "enum", "const"})
    return node.get("type") in ("number", "integer", "boolean")


def _describe(title: str, definition: dict[str, Any]) -> None:
    for key, leaf in definition.get("properties", {}).items():
        note = notes().get((title, key))
        if note and isinstance(leaf, dict):
            leaf["description"] = note


@cache
def notes() -> dict[tuple[str, str], str]:
    """What the source says below each attribute of each type, by the type's name and the key; of its base too.

    Read here and not by pydantic, which would do it at every start of chaosrun.
    """
    found: dict[tuple[str, str], str] = {}
    modules: tuple[ModuleType, ...] = (
        *(base, gameday, guard, http, limit, load, model, protocol, proxy, ready, target),
        *(*_STEPS, steps),
    )
    for module in modules:
        for node in ast.parse(inspect.getsource(module)).body:
            if isinstance(node, ast.ClassDef):
                above = {each.id for each in node.bases if isinstance(each, ast.Name)}
                found.update({(node.name, key): note for (kind, key), note in found.items() if kind in above})
                for field, note in zip(node.body, node.body[1:], strict=False):
                    if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
                        words = _docstring(note)
                        if words:
                            found[node.name, field.target.id.rstrip("_")] = words
    return found


def _docstring(node: ast.stmt) -> str:
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
        return inspect.cleandoc(node.value.value)
    return ""


def main() -> None:
    """Write the schemas, or check that those written are fresh."""
    parser = argparse.ArgumentParser(prog="python -m chaosrun.spec.schema", description=main.__doc__)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--write", action="store_true", help="write schema/*.json")
    what.add_argument("--check", action="store_true", help="exit 1 if they are not what the types say")
    if parser.parse_args().check:
        names = ", ".join(f"{name}.json" for name in stale())
        raise SystemExit(f"stale: {names}; run python -m chaosrun.spec.schema --write" if names else 0)
    for name in FILES:
        (FOLDER / f"{name}.json").write_text(text(name))


if __name__ == "__main__":
    main()
