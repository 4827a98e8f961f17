"""What all toxics have: attributes that a user sets, and a stage for each connection that they affect."""

from __future__ import annotations

from abc import abstractmethod
from typing import Annotated, Any, Generic, TypeAlias, TypeVar

import msgspec

from chaosrun.proxy.stage import Stage, Start

MS = 1_000_000
US = 1_000

Whole: TypeAlias = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
"""A whole number as the API has it: 64 bits."""


class Attributes(msgspec.Struct, frozen=True, kw_only=True):
    """The attributes of a toxic, by their names in the API; whole numbers, with 0 for what is not given."""

    @abstractmethod
    def stage(self, start: Start) -> ToxicStage[Any]:
        """What it does to one direction of one connection from now on."""


A = TypeVar("A", bound=Attributes)


class ToxicStage(Stage, Generic[A]):
    """A stage that can be given new attributes while it works."""

    def __init__(self, attributes: A, start: Start) -> None:
        super().__init__(start)
        self.attributes = attributes

    def change(self, attributes: A, now: int) -> None:  # noqa: ARG002 - some stages need it
        """What is held leaves by the new attributes, still in order."""
        self.attributes = attributes
