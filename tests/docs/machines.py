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
        ):
            yield part


def _calls(whole: type[Any]) -> list[ast.Call]:
    """The calls of the constructors that `whole` itself defines; what dataclasses generate calls nothing of ours."""
    constructors = [vars(whole)[name] for name in _CONSTRUCTORS if name in vars(whole)]
    written = [one for one in constructors if inspect.getsourcefile(one) == inspect.getsourcefile(whole)]
    trees = (ast.parse(textwrap.dedent(inspect.getsource(one))) for one in written)
    calls = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return sorted(calls, key=lambda call: (call.lineno, call.col_offset))
