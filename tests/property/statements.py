"""Any instance of a struct that travels, made from the types of its fields."""

from __future__ import annotations

from typing import Any, TypeVar, get_args, get_origin, get_type_hints

import msgspec
from hypothesis import strategies as some
from msgspec import Raw, Struct

S = TypeVar("S")

_WHOLE = some.integers(-(2**63), 2**64 - 1) | some.integers(0, 3)
_SIMPLE: dict[Any, some.SearchStrategy[Any]] = {
    int: _WHOLE,
    str: some.text(max_size=20),
    bytes: some.binary(max_size=40) | some.sampled_from([bytes(32), b"\1" * 32]),
    bool: some.booleans(),
    float: some.floats(allow_nan=False),
    type(None): some.none(),
    Raw: some.integers(0, 300).map(lambda number: Raw(msgspec.msgpack.encode([number]))),
}


def instances(kind: type[S]) -> some.SearchStrategy[S]:
    """Instances of a struct, its fields drawn one by one."""
    return some.deferred(
        lambda: some.builds(kind, *(values(hint) for hint in get_type_hints(kind).values()))  # type: ignore[arg-type]
    )


def values(hint: Any) -> some.SearchStrategy[Any]:
    """Values of one of the types that statements and messages are made of."""
    if hint in _SIMPLE:
        return _SIMPLE[hint]
    if isinstance(hint, type) and issubclass(hint, Struct):
        return instances(hint)
    inner = get_args(hint)
    if get_origin(hint) is tuple:
        if inner[-1] is Ellipsis:
            return some.lists(values(inner[0]), max_size=4).map(tuple)
        return some.tuples(*map(values, inner))
    return some.one_of(*map(values, inner))
