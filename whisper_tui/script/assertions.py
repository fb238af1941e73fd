"""Comparing what a state says with what a script expects: a fixed table of operators, nothing is evaluated.

A value that is not there yet (None) equals nothing and is neither less nor more than anything.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct

from whisper_tui.model.inert import inert
from whisper_tui.script.schema import SCREEN, Condition

SHOWN_CHARS_MAX = 200


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def judge(actual: Any, expected: Any) -> bool:
        left, right = _number(actual), _number(expected)
        return left is not None and right is not None and compare(left, right)

    return judge


def _number(value: Any) -> float | None:
    """`value` as a number, also when it is one in a text, as variables are."""
    if isinstance(value, bool) or value is None:
        return None
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _equal(actual: Any, expected: Any) -> bool:
    if isinstance(expected, str) and actual is not None and not isinstance(actual, str):
        # A variable is text; it equals the number, truth value or list that is written like it.
        return expected == shown(actual) or (
            _number(actual) is not None and _number(actual) == _number(expected)
        )
    return bool(actual == expected) and isinstance(actual, bool) == isinstance(expected, bool)


def _contains(actual: Any, expected: Any) -> bool:
    if isinstance(actual, str):
        return str(expected) in actual
    return isinstance(actual, list) and expected in actual


def _matches(actual: Any, expected: Any) -> bool:
    return actual is not None and re.search(str(expected), shown(actual)) is not None


OPERATORS: Mapping[str, tuple[str, Callable[[Any, Any], bool]]] = {
    "eq": ("=", _equal),
    "ne": ("≠", lambda actual, expected: not _equal(actual, expected)),
    "lt": ("<", _ordered(lambda actual, expected: actual < expected)),
    "le": ("≤", _ordered(lambda actual, expected: actual <= expected)),
    "gt": (">", _ordered(lambda actual, expected: actual > expected)),
    "ge": ("≥", _ordered(lambda actual, expected: actual >= expected)),
    "contains": ("contains", _contains),
    "matches": ("matches", _matches),
}
"""Operator, its sign in messages, and what it means of (actual, expected)."""


class Check(Struct, frozen=True):
    """A condition that was looked at: what was expected and what was there."""

    path: str
    operator: str
    expected: Any
    actual: Any
    passed: bool

    @property
    def text(self) -> str:
        """`query.q1.settled = 6/6` if it holds, with what it is instead if it does not."""
        text = describe(Condition(self.path, self.operator, self.expected))
        if self.passed:
            return text
        return (
            f"{text}, but it does not" if self.path == SCREEN else f"{text}, but it is {_short(self.actual)}"
        )


def judge(condition: Condition, actual: Any) -> Check:
    """Compare."""
    _, holds = OPERATORS[condition.operator]
    return Check(
        condition.path, condition.operator, condition.expected, actual, holds(actual, condition.expected)
    )


def describe(condition: Condition) -> str:
    """A condition as one short line."""
    return f"{condition.path} {OPERATORS[condition.operator][0]} {_short(condition.expected)}"


def _short(value: Any) -> str:
    return inert(shown(value), SHOWN_CHARS_MAX)


def shown(value: Any) -> str:
    """A value as a script's author would write it."""
    if value is None:
        return "not there yet"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:g}" if abs(value) < 1e6 and value == round(value, 3) else f"{value:.1f}"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "nothing"
    return str(value)
