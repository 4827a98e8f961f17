"""Faults of the way between clients and service, done by a Toxiproxy that the run goes through."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Final, Literal, NamedTuple

from pydantic import PlainSerializer, PlainValidator, WithJsonSchema

from chaosrun.spec import units
from chaosrun.spec.base import Broken, Duration, Model, Name, Share, Size, Span, problem
from chaosrun.spec.proxy import ENTRY
from chaosrun.spec.steps.base import SustainedStep

_MILLISECOND: Final = 1_000_000
_MICROSECOND: Final = 1_000
_KILOBYTE: Final = 1_000


def _data_rate(value: Any) -> int:
    if not isinstance(value, str) or not value.endswith("/s"):
        raise problem("unit", f"{value!r} is not a data rate; write 64kB/s or 1MiB/s")
    try:
        rate = units.size_bytes(value.removesuffix("/s").rstrip())
    except units.UnitError as error:
        raise problem("unit", f"{error}, and a second after it, as in 64kB/s") from None
    if rate < _KILOBYTE:
        raise problem("unit", f"{value!r} is less than Toxiproxy can count; at least 1kB/s")
    return rate


DataRate = Annotated[
    int,
    PlainValidator(_data_rate),
    PlainSerializer(lambda rate: f"{units.format_size(rate)}/s"),
    WithJsonSchema(
        {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)? ?([kK]B|[MG]B|[KMG]iB)/s$", "examples": ["64kB/s"]}
    ),
]
"""Bytes a second."""


class ToxicAttributes(Model):
    """What a toxic is told; which of them it takes depends on the toxic."""

    latency: Span | None = None
    jitter: Duration | None = None
    """`latency` is more or less by up to so much, evenly spread."""
    timeout: Duration | None = None
    """`timeout`: the connection ends so long after data last came; 0, the default: never. `reset_peer`: it is reset so
    long after data came; 0, the default: at once."""
    delay: Span | None = None
    """`slow_close`: the end of a connection arrives so much later. `slicer`: between two slices."""
    rate: DataRate | None = None
    """`bandwidth`: of each connection, rounded to whole kB/s."""
    average_size: Size | None = None
    size_variation: Size | None = None
    bytes: Size | None = None
    """`limit_data`: the connection ends after so many."""


class _Takes(NamedTuple):
    """The attributes of one toxic."""

    needed: tuple[str, ...] = ()
    allowed: tuple[str, ...] = ()


_TOXICS: Final = {
    "latency": _Takes(("latency",), ("jitter",)),
    "timeout": _Takes((), ("timeout",)),
    "reset_peer": _Takes((), ("timeout",)),
    "bandwidth": _Takes(("rate",)),
    "slow_close": _Takes(("delay",)),
    # Slices that follow at once are joined again on their way: nobody could tell that there were any.
    "slicer": _Takes(("average_size", "delay"), ("size_variation",)),
    "limit_data": _Takes(("bytes",)),
    "down": _Takes(),
}


class ToxiproxyStep(SustainedStep):
    """Puts a toxic on a link of the target's proxy; `down` switches the link off."""

    fault: Literal["toxiproxy"]
    proxy: Name = ENTRY
    """The link."""
    toxic: Literal["latency", "timeout", "reset_peer", "bandwidth", "slow_close", "slicer", "limit_data", "down"]
    attributes: ToxicAttributes = ToxicAttributes()
    stream: Literal["downstream", "upstream"] = "downstream"
    """What the service sends, or what it is sent."""
    toxicity: Share = 1.0
    """The share of connections that it is put on."""

    def told(self) -> dict[str, int]:
        """The attributes as the server's API counts them: ms (`slicer` us), kB/s, bytes."""
        given = self.attributes
        of_time = _MICROSECOND if self.toxic == "slicer" else _MILLISECOND
        counted = {
            "latency": (given.latency, _MILLISECOND),
            "jitter": (given.jitter, _MILLISECOND),
            "timeout": (given.timeout, _MILLISECOND),
            "delay": (given.delay, of_time),
            "rate": (given.rate, _KILOBYTE),
            "average_size": (given.average_size, 1),
            "size_variation": (given.size_variation, 1),
            "bytes": (given.bytes, 1),
        }
        return {key: round(value / unit) for key, (value, unit) in counted.items() if value is not None}

    def delay_ns(self) -> int | None:
        return self.attributes.latency if self.toxic == "latency" and self.toxicity == 1 else None

    def rules(self) -> Iterator[Broken]:
        takes = _TOXICS[self.toxic]
        given = {key for key in ToxicAttributes.key_names() if getattr(self.attributes, key) is not None}
        known = (*takes.needed, *takes.allowed)
        for key in takes.needed:
            if key not in given:
                yield Broken(f"{self.toxic} needs `attributes: {{{key}: ...}}`", ("attributes",))
        for key in sorted(given - set(known)):
            told = f"; it takes {', '.join(f'`{name}`' for name in known)}" if known else "; it takes none"
            yield Broken(f"{self.toxic} takes no attribute {key!r}{told}", ("attributes",))
        yield from self._bounds()
        if self.toxic == "down":
            for key in ("stream", "toxicity"):
                if key in self.model_fields_set:
                    yield Broken(f"`down` switches the whole link off; take `{key}` out", (key,))
        if self.toxicity == 0:
            yield Broken("a toxicity of 0 does nothing; `fault: noop` is the control experiment", ("toxicity",))

    def _bounds(self) -> Iterator[Broken]:
        given = self.attributes
        for key in ("latency", "jitter", "timeout", "delay"):
            value = getattr(given, key)
            unit, name = (_MICROSECOND, "microseconds") if self.toxic == "slicer" else (_MILLISECOND, "milliseconds")
            if value is not None and value % unit:
                yield Broken(f"Toxiproxy counts `{key}` in whole {name}", ("attributes",))
        if given.jitter is not None and given.latency is not None and given.jitter > given.latency:
            yield Broken("`jitter` above `latency` would be a negative delay", ("attributes",))
        if given.average_size is not None and (given.size_variation or 0) >= given.average_size:
            yield Broken("`size_variation` must be below `average_size`", ("attributes",))
