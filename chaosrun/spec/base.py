"""What all types of the YAML share: the strict base model and the typed leaves.

Attribute names are the YAML's keys (with a trailing underscore where Python or pydantic reserves the word).
Durations are integer nanoseconds in attributes, ratios floats with 1 = 100 %, sizes bytes, rates per second; a dump
writes them as text with units again, so that a dumped model can be read back.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import NoneType
from typing import Annotated, Any, Final, NamedTuple, Self, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    ModelWrapValidatorHandler,
    PlainSerializer,
    PlainValidator,
    SerializationInfo,
    Strict,
    Tag,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    WithJsonSchema,
    WrapValidator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from chaosrun.spec import units
from chaosrun.spec.secret import Secret, Veiled, leads_elsewhere, reveal

TAG = "\x1f"
"""First character of every discriminator's tag. No key of a file holds it, so a tag in a `loc` is never a key."""

_CONTROLS = re.compile(r"[\x00-\x1f\x7f]")
# RFC 9110 5.6.2: a token
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")

NOT_YET = "not_yet"
ADDRESS = "address"


class Broken(NamedTuple):
    """A rule between the keys of one mapping that does not hold."""

    text: str
    keys: tuple[str, ...]
    """Those that it is about."""


@dataclass
class Reading:
    """What validation notes for the reader of a file, as its context; mappings go by their `id`."""

    kinds: dict[int, type[Model]] = field(default_factory=dict)
    """What each mapping was taken for."""
    broken: list[tuple[int, Broken]] = field(default_factory=list)


class Model(BaseModel):
    """Base of everything a user writes: unknown keys are errors, values are never coerced, nothing can be changed."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        frozen=True,
        hide_input_in_errors=True,
        serialize_by_alias=True,
        allow_inf_nan=False,
        protected_namespaces=(),
    )

    @model_validator(mode="wrap")
    @classmethod
    def _read(cls, data: Any, handler: ModelWrapValidatorHandler[Self], info: ValidationInfo) -> Self:
        """Note broken rules for a reader, who wants all of them and what can be had of the rest; else raise."""
        reading = info.context if isinstance(info.context, Reading) else None
        if reading is not None and isinstance(data, dict):
            reading.kinds[id(data)] = cls
        model = handler(data)
        for broken in model.rules():
            if reading is None:
                raise problem("rule", broken.text)
            reading.broken.append((id(data), broken))
        return model

    def rules(self) -> Iterator[Broken]:
        """The rules between the keys that do not hold."""
        yield from ()

    @classmethod
    def key_names(cls) -> tuple[str, ...]:
        """The keys as a user writes them, without those whose feature is still to come."""
        fields = cls.model_fields.items()
        return tuple(field.alias or name for name, field in fields if field.annotation is not NoneType)

    def wire(self) -> str:
        """The model as JSON with its secrets in clear, for another process of the same run and nothing else."""
        return self.model_dump_json(context={"reveal": True}, exclude_unset=True)

    @classmethod
    def from_wire(cls, text: str | bytes) -> Self:
        return cls.model_validate_json(text)


def problem(kind: str, text: str) -> PydanticCustomError:
    """An error whose text is taken as it is, braces and all."""
    return PydanticCustomError(kind, "{text}", {"text": text})


def _quantity(parse: Callable[[object], float]) -> PlainValidator:
    def validate(value: Any) -> float:
        try:
            return parse(value)
        except units.UnitError as error:
            raise problem("unit", str(error)) from None

    return PlainValidator(validate)


def _above_zero(parse: Callable[[object], int]) -> Callable[[object], int]:
    def positive(value: object) -> int:
        amount = parse(value)
        if amount == 0:
            raise units.UnitError(f"{value!r} must be above 0")
        return amount

    return positive


def _share(value: object) -> float:
    share = units.ratio(value)
    if share > 1:
        raise units.UnitError(f"{value!r} is more than 100%")
    return share


def _leaf(pattern: str, example: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": pattern, "examples": [example]})


_DURATION_SCHEMA = _leaf(r"^([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h|d))+$", "30s")

Duration = Annotated[int, _quantity(units.duration_ns), PlainSerializer(units.format_duration), _DURATION_SCHEMA]
"""Nanoseconds; 0 is allowed."""
Span = Annotated[
    int, _quantity(_above_zero(units.duration_ns)), PlainSerializer(units.format_duration), _DURATION_SCHEMA
]
"""Nanoseconds above 0."""
Share = Annotated[
    float,
    _quantity(_share),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "minimum": 0, "maximum": 1},
                {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)? ?%$", "examples": ["0.5%"]},
            ]
        }
    ),
]
"""A ratio between 0 and 1."""
Size = Annotated[
    int,
    _quantity(_above_zero(units.size_bytes)),
    PlainSerializer(units.format_size),
    _leaf(r"^[0-9]+(\.[0-9]+)? ?(B|[kK]B|[MGT]B|[KMGT]iB)$", "512MiB"),
]
"""Bytes above 0."""
Rate = Annotated[
    float,
    _quantity(units.rate_per_s),
    PlainSerializer(units.format_rate),
    _leaf(r"^[0-9]+(\.[0-9]+)?[kM]?/([0-9]+(\.[0-9]+)?)?(ns|us|µs|ms|s|m|h|d)$", "2/s"),
]
"""Events per second above 0."""

Title = Annotated[str, Field(max_length=200)]
"""What a file or a thing is called, for people."""

Item = TypeVar("Item")
Many = Annotated[tuple[Item, ...], Strict(False), Field(max_length=1000)]
"""A YAML list as a tuple; its items stay strict."""

Count = Annotated[int, Field(ge=1, le=1_000_000)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_-]*$", max_length=64)]


def _line(text: str) -> str:
    if _CONTROLS.search(text):
        raise problem("line", f"{text!r} holds a control character; write it in one line, without any")
    return text


Line = Annotated[str, AfterValidator(_line)]
"""Text that names something to the system or to a server: a path, a process, a host."""


def _text(value: Any) -> str | Secret:
    if isinstance(value, str | Secret):
        if "\0" in reveal(value):
            raise problem("zero", "holds a zero byte, which no program and no server can be told here; take it out")
        return value
    # A whole number reads back as it was written, so `--port 8000` needs no quotes; 1.10 and 1e3 would not.
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, bool | float):
        raise problem("text", f'{value!r} is not text; write "{str(value).lower()}" in quotes')
    raise problem("text", "must be text")


def _secret(value: Any) -> Secret:
    if isinstance(value, bool | int | float | str):
        return Secret(str(value))
    raise problem("secret", "must be text, {env: VARIABLE} or {file: PATH}")


def _show(value: Any, info: SerializationInfo) -> Any:
    """A tree with its secrets masked, or in clear for `wire()`."""
    if isinstance(value, Secret | Veiled):
        return value.reveal() if isinstance(info.context, dict) and info.context.get("reveal") else str(value)
    if isinstance(value, dict):
        return {key: _show(item, info) for key, item in value.items()}
    if isinstance(value, list):
        return [_show(item, info) for item in value]
    return value


SHOWN = PlainSerializer(_show)
"""Masked in a dump, in clear for `wire()`."""

Text = Annotated[
    str | Secret, PlainValidator(_text), PlainSerializer(_show), WithJsonSchema({"type": ["string", "integer"]})
]
"""Text that may be a secret: `secret.reveal()` gives it in clear."""


def _headers(headers: dict[str, str | Secret]) -> dict[str, str | Secret]:
    for name, value in headers.items():
        if not _HEADER.fullmatch(name):
            raise problem("header", f"{name!r} is not the name of a header; write letters, digits and -")
        if _CONTROLS.search(reveal(value)):
            raise problem("header", f"the value of {name!r} holds a control character; a header is one line")
    return headers


Headers = Annotated[dict[str, Text], AfterValidator(_headers)]
"""Headers of a request: what is in them cannot end the header and begin another one."""


def _variables(variables: dict[str, str | Secret]) -> dict[str, str | Secret]:
    for name in variables:
        if not name or "=" in name:
            raise problem("env", f"{name!r} is not the name of a variable; write letters, digits and _")
    return variables


Variables = Annotated[dict[str, Text], AfterValidator(_variables)]
"""Variables of the environment of a program."""


_NOT_OF_ADDRESS: Final = re.compile(r"[\x00-\x20\x7f]")


def _veiled(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
    if not isinstance(value, Secret):
        return handler(value)
    shown = str(value)
    handler(shown)
    if leads_elsewhere(shown, value.reveal()):
        raise problem(ADDRESS, "a secret may be the user, the password, the path or the query of an address, not more")
    if _NOT_OF_ADDRESS.search(value.reveal()):
        text = "its secret has characters that stand in no address; keep it percent-encoded where it comes from"
        raise problem(ADDRESS, text)
    return Veiled(shown, value.reveal())


MayHideSecret = WrapValidator(_veiled)
"""For an address: what is seen of it has `***` for each secret, and `reveal()` gives it whole. Its host always shows:
whom a run reaches is judged, and told, by it."""

Json = Annotated[Any, PlainValidator(lambda value: value), PlainSerializer(_show), WithJsonSchema({})]
"""Any YAML value, with `Secret` among its leaves."""


def _without_secrets(value: Any) -> Any:
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    if isinstance(value, Secret) or any(isinstance(item, Secret) for item in map(_without_secrets, inside)):
        raise problem("secret", "a secret may not stand here")
    return value


Open = Annotated[Any, PlainValidator(_without_secrets), WithJsonSchema({})]
"""Any YAML value without a secret in it."""


def _not_yet(value: Any) -> None:
    if value is not None:
        raise problem(NOT_YET, "not yet available in this version of chaosrun")


Later = Annotated[
    None,
    PlainValidator(_not_yet),
    WithJsonSchema({"type": "null", "description": "Not yet available in this version."}),
]
"""A key whose feature is still to come: refused, never ignored."""


SecretText = Annotated[
    Secret, PlainValidator(_secret), PlainSerializer(_show), WithJsonSchema({"type": ["string", "number", "boolean"]})
]


class FromEnvironment(Model):
    """The value of an environment variable."""

    env: str
    default: str | int | float | bool | None = None


class SecretFromEnvironment(Model):
    """A secret from an environment variable."""

    env: str
    default: SecretText | None = None


class FromFile(Model):
    """The content of a file, without its last line end."""

    file: str


def _source(value: Any) -> str:
    if isinstance(value, dict) and "env" in value:
        return TAG + "env"
    if isinstance(value, dict) and "file" in value:
        return TAG + "file"
    return TAG + "value"


ConfigurationValue = Annotated[
    Annotated[FromEnvironment, Tag(TAG + "env")]
    | Annotated[FromFile, Tag(TAG + "file")]
    | Annotated[Json, Tag(TAG + "value")],
    Discriminator(_source),
]
SecretValue = Annotated[
    Annotated[SecretFromEnvironment, Tag(TAG + "env")]
    | Annotated[FromFile, Tag(TAG + "file")]
    | Annotated[SecretText, Tag(TAG + "value")],
    Discriminator(_source),
]


class File(Model):
    """What may stand at the top of a file of its own."""

    configuration: dict[str, ConfigurationValue] = Field(default_factory=dict, exclude=True)
    """Values for `${name}`."""
    secrets: dict[str, SecretValue] = Field(default_factory=dict, exclude=True)
    """Values for `${secret.name}`; never shown anywhere."""
