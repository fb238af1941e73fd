"""Answers that are asked for several times a frame, and frame after frame while nothing has changed.

States share what has not changed, so that the same objects mean the same answer: comparing by identity is enough.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Generic, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


class _Last(Generic[R]):
    """What was asked last, and the answer."""

    def __init__(self) -> None:
        self.inputs: tuple[object, ...] | None = None
        self.answer: R


def by_identity(function: Callable[P, R]) -> Callable[P, R]:
    """`function`, with its last answer given again while it is called with the same objects. For pure functions."""
    last: _Last[R] = _Last()

    @wraps(function)
    def remembered(*args: P.args, **kwargs: P.kwargs) -> R:
        inputs = (*args, *kwargs.values())
        known = last.inputs
        if (
            known is None
            or len(known) != len(inputs)
            or any(a is not b for a, b in zip(known, inputs, strict=True))
        ):
            last.answer = function(*args, **kwargs)
            last.inputs = inputs
        return last.answer

    return remembered
