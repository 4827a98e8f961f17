"""`chaosrun explain fault|metric|protocol [NAME]`: what a kind does, and which keys it takes."""

from __future__ import annotations

import inspect
import json
import typing
from collections.abc import Iterator
from types import ModuleType
from typing import TYPE_CHECKING, Any

import click

from chaosrun.commands._session import Session

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

    from chaosrun.metrics._base import Metric
    from chaosrun.registry import Family

FAMILIES: dict[str, Family] = {"fault": "faults", "metric": "metrics", "protocol": "protocols"}


@click.command("explain")
@click.argument("what", type=click.Choice(tuple(FAMILIES)))
@click.argument("name", required=False)
@click.pass_obj
def command(session: Session, *, what: str, name: str | None) -> None:
    """Explain one fault, metric or protocol, or list all of them."""
    from chaosrun import registry  # noqa: PLC0415 - only when called
    from chaosrun.commands._tables import table  # noqa: PLC0415 - as above

    family = FAMILIES[what]
    if name is None:
        kinds = [(kind, registry.load(family, kind)) for kind in registry.kinds(family)]
        table(session, (what, "what it is"), [(kind, _in_short(found)) for kind, found in kinds])
        return
    found = registry.load(family, name)
    lines = _metric(found) if what == "metric" else _fault(found) if what == "fault" else _protocol(found)
    session.write_line("\n".join([name, "=" * len(name), *lines]))


def _in_short(found: Any) -> str:
    """The first sentence of what a kind says of itself."""
    text = found.meaning if not isinstance(found, ModuleType) else _doc(found)
    return " ".join(text.split("\n\n", 1)[0].split()).removesuffix(".")


def _doc(found: object) -> str:
    return inspect.getdoc(found) or "(it says nothing of itself)"


def _metric(metric: Metric) -> Iterator[str]:
    yield f"{metric.meaning}"
    yield ""
    yield f"unit       {metric.unit}" + (f", or a share of {metric.share_of}" if metric.share_of else "")
    yield f"better     {metric.direction}"
    yield f"read of    {'each load group' if metric.per == 'group' else f'the {metric.per}'}"
    yield f"window     {'as the criterion says' if metric.windowed else 'none: one number of the run'}"
    yield f"narrowed   {', '.join(sorted(metric.filters)) or 'by nothing'}"
    yield f"relies on  {', '.join(sorted(metric.needs)) or 'nothing'} (checks of the observer)"


def _fault(module: ModuleType) -> Iterator[str]:
    yield _doc(module)
    step = next(iter(typing.get_type_hints(module.make).values()))
    yield from ("", "Keys of the step:", *_keys(step))


def _protocol(module: ModuleType) -> Iterator[str]:
    yield _doc(module)
    yield ""
    protocol = getattr(module, "PROTOCOL", None)
    if protocol is None:  # the declarative one, which is nothing without its mapping
        from chaosrun.spec.protocol import Protocol  # noqa: PLC0415 - only when called

        yield from ("Keys of its mapping:", *_keys(Protocol))
        return
    yield f"requests  {', '.join(protocol.requests) or 'none: its clients only listen'}"
    for stream in protocol.streams:
        epoch = ", with an epoch" if stream.has_epoch else ""
        sent_at = ", with the time of sending" if stream.has_sent_at else ""
        yield f"stream    {stream.name}: {stream.order}, numbered per {stream.scope}{epoch}{sent_at}"
    yield f"tail      {'asked for at the end of the run' if protocol.has_heads else 'unknown: no head to ask for'}"


def _keys(model: Any, indent: int = 2) -> Iterator[str]:
    """The keys of a type of the YAML with their defaults, as they are written; those still to come are left out."""
    from chaosrun.spec.schema import notes  # noqa: PLC0415 - only when called

    defaults = model.model_construct().model_dump(mode="json", by_alias=True, warnings=False)
    for name, field in model.model_fields.items():
        if _is_later(field):
            continue
        key = field.alias or name
        needed = "required" if field.is_required() else _default(defaults.get(key))
        note = " ".join(notes().get((model.__name__, key), "").split())
        yield f"{' ' * indent}{key:<{16 - indent}} {needed}" + (f"; {note}" if note else "")
        for nested in _models(field.annotation):
            yield from _keys(nested, indent + 2)


def _default(value: Any) -> str:
    return "optional" if value in (None, [], {}, "") else f"default {json.dumps(value)}"


def _is_later(field: FieldInfo) -> bool:
    """Whether a key is refused as "not yet available"."""
    from chaosrun.spec.base import Later  # noqa: PLC0415 - only when called

    mark = typing.get_args(Later)[1]
    return mark in field.metadata or mark in (
        part for hint in _parts(field.annotation) for part in typing.get_args(hint)
    )


def _models(hint: Any) -> list[Any]:
    """The types of mappings that a value may be."""
    return [part for part in _parts(hint) if isinstance(part, type) and hasattr(part, "model_fields")]


def _parts(hint: Any) -> list[Any]:
    """A type with everything that it is made of: of `Restart | None`, itself, `Restart` and `NoneType`."""
    return [hint, *(inner for part in typing.get_args(hint) for inner in _parts(part))]
