"""A record without secrets: what servers, tools and people say in it is blanked out, our own words never are.

A secret may be any text, `baseline` or `rst` too. A phase or a cause by another name would be a lie, and an undo record
that was changed would undo nothing: so the loader refuses secrets where they would have to be written down.
"""

from __future__ import annotations

from typing import Any, Final, TypeVar

import msgspec
from msgspec import structs

from chaosrun.records import Closed, Intent, Phase, Proxied, Record, Refused, Silenced, Undo
from chaosrun.spec.masking import Mask

_OURS: Final = frozenset(
    {
        *("w", "n", "t", "schema", "id", "role", "stream"),
        *("run", "chaosrun_version", "profile", "experiment_sha256", "fingerprint", "started_at", "boot_id", "plan"),
    }
)
"""Fields of any record that hold words of our own, or names that other lines refer to."""
_OURS_OF: Final[dict[type[msgspec.Struct], frozenset[str]]] = {
    Phase: frozenset({"name"}),
    Refused: frozenset({"why"}),
    Closed: frozenset({"cause"}),
    Silenced: frozenset({"how"}),
    Proxied: frozenset({"kind"}),
    Intent: frozenset(),
    Undo: frozenset({"kind", "identity", "args"}),
}

R = TypeVar("R", bound=Record)


def masked(record: R, mask: Mask) -> R:
    """The record with every secret in it blanked out."""
    return _struct(record, mask)


S = TypeVar("S", bound=msgspec.Struct)


def _struct(struct: S, mask: Mask) -> S:
    ours = _OURS | _OURS_OF.get(type(struct), frozenset())
    names = [name for name in struct.__struct_fields__ if name not in ours]
    return structs.replace(struct, **{name: _value(getattr(struct, name), mask) for name in names})


def _value(value: Any, mask: Mask) -> Any:
    if isinstance(value, str):
        return mask(value)
    if isinstance(value, tuple | list):
        return type(value)(_value(item, mask) for item in value)
    if isinstance(value, dict):
        return {key: _value(item, mask) for key, item in value.items()}
    return _struct(value, mask) if isinstance(value, msgspec.Struct) else value
