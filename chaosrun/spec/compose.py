"""From the bytes of a YAML file to its tree, built straight from the parse events.

Scalars follow the JSON schema of YAML 1.2: `true`, `false`, `null`, JSON numbers, and everything else is text (`on`,
`yes`, `1:30`, `2026-01-01`, `007`). An absent value (`key:`) is null. `<<` is a key like any other. Limits on bytes,
depth, nodes and aliases are counted on the events, before a node is built; an alias counts as all that it stands for.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from chaosrun.spec.nodes import Mapping, Mark, Node, Path, Plain, Problem, Scalar, Sequence

MAX_BYTES: Final = 2**20
MAX_DEPTH: Final = 64
MAX_NODES: Final = 20_000
MAX_ALIASES: Final = 1_000
MAX_KEY: Final = 200

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_INTEGER = re.compile(r"-?(0|[1-9][0-9]*)")
_FLOAT = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")
_LARGEST_INTEGER = 2**63 - 1
_MERGE_MARKS = (b"<<<<<<<", b"=======", b">>>>>>>")
_REMEDIES = {
    "mapping values are not allowed": 'text that holds ": " needs quotes',
    "did not find expected key": "keys of one mapping begin in the same column",
    "did not find expected '-'": "keys of one entry begin in the same column",
    "did not find expected <document start>": "the file begins with a mapping of keys to values",
    "unexpected end of stream": "a quote that was opened is never closed",
    "did not find expected ',' or '}'": "entries within { } have commas between them, and end with }",
    "did not find expected ',' or ']'": "entries within [ ] have commas between them, and end with ]",
    "cannot start any token": "text that begins with this character needs quotes",
    "unknown escape character": "a backslash stands alone within single quotes; within double quotes write two",
    "block sequence entries are not allowed": "a list begins in a line of its own",
    "could not find expected ':'": "a key and its value have a colon and a space between them",
    "undefined tag handle": "tags are not supported; text that begins with ! needs quotes",
}
"""What to do, by a part of what the parser says; the first one that is in it counts."""
_CONSTANTS: dict[str, bool | None] = {"null": None, "": None, "true": True, "false": False}


class Refused(Exception):
    """The file cannot be read any further; holds the one problem that says why."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


def compose(source: bytes, file: str, problems: list[Problem]) -> Node:
    """The tree of the only document in `source`; `file` names it in every mark.

    Duplicate keys and odd scalars go to `problems`, and the tree is still built.

    Raises:
        Refused: it is no YAML, is more than one document, or is beyond a limit.
    """
    if len(source) > MAX_BYTES:
        raise Refused(Problem(Mark(file), (), f"is {len(source)} bytes long; at most {MAX_BYTES} are read"))
    try:
        return _Composer(file, problems).compose(source)
    except yaml.MarkedYAMLError as error:
        at = error.problem_mark or error.context_mark
        mark = Mark(file, at.line + 1, at.column + 1) if at else Mark(file)
        raise Refused(Problem(mark, (), f"not valid YAML: {_syntax(error, _line(source, mark))}")) from None
    except yaml.reader.ReaderError as error:
        raise Refused(Problem(_place(source, error.position, file), (), _no_text(error))) from None


def scalar(text: str) -> Plain:
    """The value of a plain scalar.

    Raises:
        ValueError: a number beyond what can be held exactly enough.
    """
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if _INTEGER.fullmatch(text):
        if len(text) > 20 or abs(int(text)) > _LARGEST_INTEGER:
            raise ValueError("is too large for a number; write it in quotes if it is text")
        return int(text)
    if _FLOAT.fullmatch(text):
        number = float(text)
        if number in (float("inf"), float("-inf")):
            raise ValueError("is too large for a number; write it in quotes if it is text")
        return number
    return text


def _syntax(error: yaml.MarkedYAMLError, line: bytes) -> str:
    """What the parser says, and what to do about it."""
    what = ", ".join(part for part in (error.context, error.problem) if part)
    if line.startswith(_MERGE_MARKS):
        return f"{what}; a merge was not finished here"
    if line.lstrip(b" ").startswith(b"\t"):
        return f"{what}; indent with spaces, not with tabs"
    return what + next((f"; {remedy}" for part, remedy in _REMEDIES.items() if part in what), "")


def _line(source: bytes, mark: Mark) -> bytes:
    lines = source.splitlines()
    return lines[mark.line - 1] if 0 < mark.line <= len(lines) else b""


def _no_text(error: yaml.reader.ReaderError) -> str:
    """Bytes that are no text, or characters that YAML does not allow in a file."""
    if error.character == 0 or "control characters" not in error.reason:
        reason = "a zero byte" if error.character == 0 else error.reason
        return f"not valid YAML: {reason}; save the file as UTF-8 text"
    return f'not valid YAML: a control character; write it as "\\x{error.character:02x}" within quotes, or take it out'


def _place(source: bytes, position: int, file: str) -> Mark:
    """The line and column (in bytes) of a place in the file; what it holds is no text as far as that."""
    before = source[:position]
    return Mark(file, before.count(b"\n") + 1, len(before) - before.rfind(b"\n"))


@dataclass(slots=True)
class _Open:
    """A collection whose end has not come yet."""

    node: Mapping | Sequence
    path: Path
    anchor: str | None
    counted_before: int
    key: str | None = None
    key_mark: Mark | None = None


@dataclass(slots=True)
class _Composer:
    """Builds one tree from the events of one stream."""

    file: str
    problems: list[Problem]
    stack: list[_Open] = field(default_factory=list)
    anchors: dict[str, tuple[Node, int]] = field(default_factory=dict)
    nodes: int = 0
    aliases: int = 0
    root: Node | None = None

    def compose(self, source: bytes) -> Node:
        documents = 0
        for event in yaml.parse(source, Loader=_Loader):
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise self._refused(event, "a second document begins; one file holds one document")
            elif isinstance(event, yaml.NodeEvent):
                self._node(event)
            elif isinstance(event, yaml.CollectionEndEvent):
                self._end()
        if self.root is None:
            raise Refused(Problem(Mark(self.file, 1, 1), (), "is empty; `chaosrun init` writes one to start from"))
        return self.root

    def _node(self, event: yaml.NodeEvent) -> None:
        mark = self._mark(event)
        before = self.nodes
        self._count(1, event)
        if isinstance(event, yaml.AliasEvent):
            self._place(self._alias(event), mark)
        elif isinstance(event, yaml.ScalarEvent):
            node = self._scalar(event, mark)
            if event.anchor:
                self.anchors[event.anchor] = (node, 1)
            self._place(node, mark)
        elif isinstance(event, yaml.CollectionStartEvent):
            if len(self.stack) >= MAX_DEPTH:
                raise self._refused(event, f"nested deeper than {MAX_DEPTH} levels; write it flatter")
            self._check_tag(event, mark, (None, "!", "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"))
            flow = bool(event.flow_style)
            opened = Mapping(mark, flow=flow) if isinstance(event, yaml.MappingStartEvent) else Sequence(mark)
            path = self._path()
            self._place(opened, mark)
            if event.anchor:
                self.anchors.pop(event.anchor, None)  # known again, by its new meaning, at its end
            self.stack.append(_Open(opened, path, event.anchor, before))

    def _place(self, node: Node, mark: Mark) -> None:
        """Put `node` where the events have come to: the root, an item, a key, or a key's value."""
        if not self.stack:
            self.root = node
            return
        top = self.stack[-1]
        if isinstance(top.node, Sequence):
            top.node.items.append(node)
        elif top.key_mark is None:
            top.key, top.key_mark = self._key(node, mark), mark
        else:
            if top.key is not None:
                top.node.put(top.key, node, top.key_mark)
            top.key = top.key_mark = None

    def _key(self, node: Node, mark: Mark) -> str | None:
        """The text of a key; None where it cannot be used, with its problem noted."""
        mapping = self.stack[-1].node
        assert isinstance(mapping, Mapping)
        value = node.value if isinstance(node, Scalar) else None
        if isinstance(value, bool | int | float):
            value = str(value).lower()
        if not isinstance(value, str):
            self._problem(mark, 'a key must be text; a placeholder such as "{id}" needs quotes')
            return None
        if len(value) > MAX_KEY:
            self._problem(mark, f"a key of {len(value)} characters; at most {MAX_KEY}")
            return None
        if not value.isprintable():
            self._problem(mark, f"key {value!r} has characters that cannot be printed")
            return None
        if value in mapping.entries:
            first = mapping.keys[value]
            self._problem(mark, f"key {value!r} is there twice; first in line {first.line}")
            return None
        return value

    def _end(self) -> None:
        closed = self.stack.pop()
        if closed.anchor:
            self.anchors[closed.anchor] = (closed.node, self.nodes - closed.counted_before)

    def _alias(self, event: yaml.AliasEvent) -> Node:
        self.aliases += 1
        if self.aliases > MAX_ALIASES:
            raise self._refused(event, f"more than {MAX_ALIASES} aliases; write the values out")
        if event.anchor not in self.anchors:
            inside = any(part.anchor == event.anchor for part in self.stack)
            why = "stands inside what it names" if inside else f"has no anchor &{event.anchor} before it"
            raise self._refused(event, f"alias *{event.anchor} {why}")
        node, size = self.anchors[event.anchor]
        self._count(size - 1, event)
        return node.copy()

    def _scalar(self, event: yaml.ScalarEvent, mark: Mark) -> Scalar:
        self._check_tag(event, mark, (None, "!", "tag:yaml.org,2002:str"))
        text = event.value
        if not event.implicit[0]:  # quoted, a block, or tagged
            return Scalar(text, mark)
        try:
            return Scalar(scalar(text), mark, absent=not text)
        except ValueError as error:
            self._problem(mark, f"{text[:20]}... {error}" if len(text) > 20 else f"{text} {error}")
            return Scalar(text, mark, told=True)

    def _check_tag(
        self, event: yaml.ScalarEvent | yaml.CollectionStartEvent, mark: Mark, known: tuple[str | None, ...]
    ) -> None:
        if event.tag not in known:
            self._problem(mark, f"tag {event.tag!r} is not supported; write the value without it")

    def _count(self, more: int, event: yaml.NodeEvent) -> None:
        self.nodes += more
        if self.nodes > MAX_NODES:
            text = f"more than {MAX_NODES} values, aliases counted as what they stand for; write fewer"
            raise self._refused(event, text)

    def _mark(self, event: yaml.Event) -> Mark:
        start = event.start_mark
        return Mark(self.file, start.line + 1, start.column + 1) if start else Mark(self.file)

    def _path(self) -> Path:
        """Where the next node will be."""
        if not self.stack:
            return ()
        top = self.stack[-1]
        if isinstance(top.node, Sequence):
            return (*top.path, len(top.node.items))
        return top.path if top.key is None else (*top.path, top.key)

    def _problem(self, mark: Mark, text: str) -> None:
        self.problems.append(Problem(mark, self._path(), text))

    def _refused(self, event: yaml.Event, text: str) -> Refused:
        return Refused(Problem(self._mark(event), (), text))
