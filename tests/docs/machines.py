"""Which machines a node is made of, read from the constructors that make them."""

from __future__ import annotations

import ast
import inspect
import sys
import textwrap
from collections.abc import Iterator
from typing import Any

_CONSTRUCTORS = ("__init__", "__post_init__")


def parts_of(whole: type[Any]) -> Iterator[type[Any]]:
    """The classes from other files that an instance of `whole` makes as it is made, in order."""
    names = vars(sys.modules[whole.__module__])
    for call in _calls(whole):
        part = names.get(call.func.id) if isinstance(call.func, ast.Name) else None
        if (
            inspect.isclass(part)
            and part.__module__.startswith("mesh_core")
            and part.__module__ != whole.__module__
            and _does_something(part)
        ):
            yield part


def _does_something(part: type[Any]) -> bool:
    """Whether a class is a machine and no mere value."""
    return any(inspect.isfunction(one) and not name.startswith("_") for name, one in vars(part).items())


def _calls(whole: type[Any]) -> Iterator[ast.Call]:
    """The calls of the constructors that `whole` itself defines, and of its own methods that these call; what dataclasses
    generate calls nothing of ours."""
    constructors = [vars(whole)[name] for name in _CONSTRUCTORS if name in vars(whole)]
    for one in constructors:
        if inspect.getsourcefile(one) == inspect.getsourcefile(whole):
            for call in _in_order(one):
                yield call
                yield from _in_order(_own_method(whole, call))


def _in_order(function: Any) -> list[ast.Call]:
    if function is None:
        return []
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return sorted(calls, key=lambda call: (call.lineno, call.col_offset))


def _own_method(whole: type[Any], call: ast.Call) -> Any:
    """The method of `whole` that is called, None when it is none of its own."""
    called = call.func
    if not isinstance(called, ast.Attribute) or not isinstance(called.value, ast.Name):
        return None
    method = vars(whole).get(called.attr) if called.value.id == "self" else None
    return method if inspect.isfunction(method) else None
