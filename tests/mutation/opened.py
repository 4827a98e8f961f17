"""Makes properties and cached functions visible to mutmut, which leaves out whatever has a decorator.

The body of each moves into a function of its own beside it; nothing else changes.
"""

from __future__ import annotations

import ast
import re

OPENED = frozenset({"property", "cached_property", "lru_cache"})


def opened(source: str) -> str:
    """The same module with the bodies of its properties and cached functions in undecorated functions."""
    lines = source.splitlines(keepends=True)
    for function in sorted(_decorated(ast.parse(source)), key=lambda each: -each.lineno):
        begin, body = function.lineno - 1, function.body[0].lineno - 1
        indent = re.match(r" *", lines[begin])
        assert indent is not None
        margin, inner = indent[0], f"_opened_{function.name}"
        names = [argument.arg for argument in function.args.args]
        call = f"{inner}({', '.join(names)})"
        if names[:1] == ["self"]:
            call = f"self.{inner}({', '.join(names[1:])})"
        head = [line.replace(f"def {function.name}(", f"def {inner}(") for line in lines[begin:body]]
        lines[body:body] = [f"{margin}    return {call}\n", "\n", *head]
    return "".join(lines)


def _decorated(tree: ast.Module) -> list[ast.FunctionDef]:
    protocols = {
        id(member)
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef) and "Protocol" in map(ast.unparse, node.bases)
        for member in node.body
    }
    return [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and id(node) not in protocols and any(map(_opens, node.decorator_list))
    ]


def _opens(decorator: ast.expr) -> bool:
    return ast.unparse(decorator).partition("(")[0] in OPENED
