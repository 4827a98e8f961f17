"""`configuration` and `secrets`: where their values come from, and `${name}` and `${secret.name}` put in place.

The experiment's own values serve included files, whose values are defaults. Values from the environment and from
files are typed as plain YAML scalars; secrets stay text and never show.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from collections.abc import Mapping as Environment
from dataclasses import dataclass, field
from typing import Final

from chaosrun.spec.compose import MAX_BYTES, MAX_NODES, scalar
from chaosrun.spec.mount import beside, groups
from chaosrun.spec.nodes import MOST_TOLD, Mapping, Node, Path, Plain, Problem, Scalar, Sequence, count
from chaosrun.spec.overrides import did_you_mean
from chaosrun.spec.reading import Unreadable, read_file
from chaosrun.spec.secret import MASK, Secret, reveal

_REFERENCE = re.compile(r"\$\$|\$\{([^{}]*)\}|\$\{")
_NAME = re.compile(r"(secret\.)?[A-Za-z_][A-Za-z0-9_-]*")
_NOT_SUBSTITUTED = ("configuration", "secrets", "profiles")
_MOST_TEXT: Final = 4 * MAX_BYTES
"""Characters of all texts that references stand in, put together: a long value may be referred to many times."""


class _Missing(Exception):
    """A reference that has no value; the text says why."""


@dataclass
class Values:
    """What `${...}` stands for in one experiment."""

    environment: Environment[str, str]
    configuration: dict[str, Node] = field(default_factory=dict)
    sources: dict[str, Node] = field(default_factory=dict)
    """Where the secrets come from, by name."""
    revealed: set[str] = field(default_factory=set)
    """The text of every secret that was used, for masking."""
    variables: set[str] = field(default_factory=set)
    """Of the environment, that secrets were read from."""
    problems: list[Problem] = field(default_factory=list)
    _contents: dict[str, str] = field(default_factory=dict)
    _placed: int = 0
    """Values that references were replaced by."""
    _text_placed: int = 0

    @classmethod
    def of(cls, tree: Mapping, environment: Environment[str, str]) -> Values:
        """The values that `tree` and the files mounted in it name; the outermost wins."""
        values = cls(environment)
        for place in _scopes(tree):
            for key, into in (("configuration", values.configuration), ("secrets", values.sources)):
                found = place.entries.get(key)
                if isinstance(found, Mapping):
                    for name, node in found.entries.items():
                        into.setdefault(name, node)
        return values

    def substitute(self, node: Node, path: Path = ()) -> Node:
        """The tree with every reference replaced; what has no value goes to `problems` and stays as it is."""
        if len(self.problems) > MOST_TOLD:
            return node
        if isinstance(node, Scalar):
            return self._scalar(node, path) if isinstance(node.value, str) and "$" in node.value else node
        if isinstance(node, Mapping):
            for key, child in node.entries.items():
                if key not in _NOT_SUBSTITUTED:
                    node.entries[key] = self.substitute(child, (*path, key))
        else:
            node.items = [self.substitute(child, (*path, index)) for index, child in enumerate(node.items)]
        return node

    def _scalar(self, node: Scalar, path: Path) -> Node:
        assert isinstance(node.value, str)
        try:
            whole = _REFERENCE.fullmatch(node.value)
            if whole and whole[1] is not None:
                return _moved(self._counted(self._value(whole[1])), node)
            return Scalar(self._text(node.value), node.mark)
        except _Missing as error:
            self.problems.append(Problem(node.mark, path, str(error)))
            return node

    def _text(self, text: str) -> str | Secret:
        """Text with references inside; one secret makes all of it secret."""
        parts: list[str | Secret] = []
        end = 0
        for match in _REFERENCE.finditer(text):
            parts.append(text[end : match.start()])
            end = match.end()
            if match[0] == "$$":
                parts.append("$")
                continue
            value = self._value(match[1])
            if not isinstance(value, Scalar):
                raise _Missing(f"${{{match[1]}}} is more than a single value; it can only stand alone")
            parts.append(value.value if isinstance(value.value, Secret) else _written(value.value))
            self._text_placed += len(reveal(parts[-1]))
            if self._text_placed > _MOST_TEXT:
                raise _Missing(f"references bring more than {_MOST_TEXT} characters; use shorter values, or fewer")
        parts.append(text[end:])
        shown = "".join(map(str, parts))
        secrets = [part.reveal() for part in parts if isinstance(part, Secret)]
        if not secrets:
            return shown
        # What stands around a secret shows, unless it is the secret once more.
        return Secret("".join(map(reveal, parts)), MASK if any(secret in shown for secret in secrets) else shown)

    def _counted(self, value: Node) -> Node:
        self._placed += count(value)
        if self._placed > MAX_NODES:
            raise _Missing(f"references bring more than {MAX_NODES} values; refer to smaller ones, or fewer times")
        return value

    def _value(self, name: str | None) -> Node:
        if name is None or not name:
            raise _Missing("`${` without a name in braces; write ${name}, or $${ for a literal one")
        if not _NAME.fullmatch(name):
            raise _Missing(
                f"no value can be called {name!r}; write ${{name}} of `configuration` or ${{secret.name}} of `secrets`"
                ", where {env: VARIABLE} takes a value from the environment; $${ is a literal one"
            )
        if name.startswith("secret."):
            return self._secret(name.removeprefix("secret."))
        if name not in self.configuration:
            secret = f"; it is a secret, write ${{secret.{name}}}" if name in self.sources else ""
            hint = secret or did_you_mean(name, list(self.configuration)) or "; there is none, and no values in it"
            raise _Missing(f"no {name!r} in `configuration`{hint}")
        node = self.configuration[name]
        if isinstance(node, Mapping) and node.entries.keys() & {"env", "file"}:
            value = self._sourced(name, node)
            return Scalar(_typed(value), node.mark) if isinstance(value, str) else Scalar(value, node.mark)
        return node

    def _secret(self, name: str) -> Scalar:
        if name not in self.sources:
            hint = did_you_mean(name, list(self.sources))
            raise _Missing(f"no {name!r} in `secrets`{hint}")
        node = self.sources[name]
        value = self._sourced(name, node) if isinstance(node, Mapping) else None
        if isinstance(node, Scalar):
            value = node.value.reveal() if isinstance(node.value, Secret) else node.value
        if value is None:
            raise _Missing(f"secret {name!r} has no value; write text, {{env: VARIABLE}} or {{file: PATH}}")
        text = value if isinstance(value, str) else _written(value)
        if not text:
            raise _Missing(f"secret {name!r} is empty{_source_of(node)}; give it a value")
        self.revealed.add(text)
        variable = node.entries.get("env") if isinstance(node, Mapping) else None
        if isinstance(variable, Scalar):
            self.variables.add(str(variable.value))
        return Scalar(Secret(text), node.mark)

    def _sourced(self, name: str, node: Mapping) -> Plain:
        """The value of `{env: VARIABLE, default: ...}` or `{file: PATH}`."""
        source = {key: child.value for key, child in node.entries.items() if isinstance(child, Scalar)}
        variable, file = source.get("env"), source.get("file")
        if isinstance(variable, str):
            found: Plain | Secret = self.environment.get(variable, source.get("default"))
            if found is None or isinstance(found, Secret):
                raise _Missing(f"{name!r} needs the environment variable {variable}; set it, or give a `default`")
            return found
        if isinstance(file, str):
            return self._content(name, beside(node.entries["file"].mark, file))
        raise _Missing(f"{name!r} has no value; write it in place, {{env: VARIABLE}} or {{file: PATH}}")

    def _content(self, name: str, file: str) -> str:
        """What a file holds; it is read once."""
        if file not in self._contents:
            try:
                self._contents[file] = _without_line_end(read_file(file, MAX_BYTES).decode())
            except Unreadable as error:
                raise _Missing(f"{name!r} needs the file {file}; {error}") from None
            except UnicodeError:
                raise _Missing(f"{name!r} needs the file {file}; it is not UTF-8 text") from None
        return self._contents[file]


def variables_of(tree: Mapping) -> dict[str, bool]:
    """The variables of the environment that `tree` and the files mounted in it name; true: needed, for without a
    default. A value that one further out has in its place is not looked for."""
    found: dict[str, bool] = {}
    seen: set[tuple[str, str]] = set()
    for place in _scopes(tree):
        for key in ("configuration", "secrets"):
            named = place.entries.get(key)
            for name, node in named.entries.items() if isinstance(named, Mapping) else ():
                variable = node.entries.get("env") if isinstance(node, Mapping) and (key, name) not in seen else None
                if isinstance(node, Mapping) and isinstance(variable, Scalar) and isinstance(variable.value, str):
                    found[variable.value] = found.get(variable.value, False) or "default" not in node.entries
                seen.add((key, name))
    return found


def _scopes(tree: Mapping) -> Iterator[Mapping]:
    yield tree
    for key in ("steady_state", "target"):
        included = tree.entries.get(key)
        if isinstance(included, Mapping):
            yield included
    for _, group in groups(tree):
        protocol = group.entries.get("protocol")
        if isinstance(protocol, Mapping):
            yield protocol


def _source_of(node: Node) -> str:
    """Where a value comes from, in words."""
    for key, what in (("env", "environment variable"), ("file", "file")):
        source = node.entries.get(key) if isinstance(node, Mapping) else None
        if isinstance(source, Scalar):
            return f": the {what} {source.value} has no text"
    return ""


def _without_line_end(text: str) -> str:
    """Editors end a file with one, and no password does."""
    return text.removesuffix("\n").removesuffix("\r")


def _typed(text: str) -> Plain:
    try:
        return scalar(text)
    except ValueError:
        return text


def _written(value: Plain) -> str:
    return value if isinstance(value, str) else "" if value is None else str(value).lower()


def _moved(node: Node, to: Scalar) -> Node:
    """A copy of a configured value that stands, for error messages, where it is used."""
    if isinstance(node, Scalar):
        return Scalar(node.value, to.mark)
    if isinstance(node, Mapping):
        entries = {key: _moved(child, to) for key, child in node.entries.items()}
        return Mapping(to.mark, entries, dict.fromkeys(entries, to.mark), node.flow)
    return Sequence(to.mark, [_moved(child, to) for child in node.items])
