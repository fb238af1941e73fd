"""`${name}` in the texts of a script."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

VARIABLE = re.compile(r"\$\{([^}]*)\}")
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


class UnknownVariable(Exception):
    """A variable that no one has set. `name` is its name."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


def fill(value: Any, variables: Mapping[str, str]) -> Any:
    """`value` with every variable in its texts replaced, however deep they lie. Raises UnknownVariable."""
    if isinstance(value, str):
        return VARIABLE.sub(lambda match: _value(match[1], variables), value)
    if isinstance(value, list | tuple):
        return type(value)(fill(item, variables) for item in value)
    if isinstance(value, Mapping):
        return {key: fill(item, variables) for key, item in value.items()}
    return value


def _value(name: str, variables: Mapping[str, str]) -> str:
    try:
        return variables[name]
    except KeyError:
        raise UnknownVariable(name) from None
