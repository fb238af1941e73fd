"""Views that follow each other differ in little: what turns one into the next.

A delta is what msgpack can carry: `(REPLACED, value)`, `(GROWN, suffix)` of a text, `(CHANGED, {key: delta}, [keys gone])` of
a mapping. Both sides must have seen the same views, so that `Deltas` is made anew wherever reading may begin.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

REPLACED, GROWN, CHANGED = 0, 1, 2

Delta: TypeAlias = tuple[Any, ...] | list[Any]

KEY_OF: Mapping[str, str] = {"node": "", "member": "peer", "job": "job", "query": "query", "replica": ""}
"""Kinds of views that come again and again, and the field that names what they show; empty where there is only one."""

VIEWS_MAX = 4_096
"""Views remembered; beyond it all are forgotten, on both sides at the same event."""


class BadDelta(ValueError):
    """A delta that fits nothing."""


def difference(before: Any, after: Any) -> Delta:
    """What turns `before` into `after`."""
    if isinstance(before, dict) and isinstance(after, dict):
        changed = {
            key: difference(before[key], value) if key in before else (REPLACED, value)
            for key, value in after.items()
            if key not in before or before[key] != value
        }
        return CHANGED, changed, [key for key in before if key not in after]
    if isinstance(before, str) and isinstance(after, str) and before and after.startswith(before):
        return GROWN, after[len(before) :]
    return REPLACED, after


def patched(before: Any, delta: Delta) -> Any:
    """What `before` became. BadDelta when `delta` was not made from it."""
    match delta:
        case [0, value]:
            return value
        case [1, str(suffix)] if isinstance(before, str):
            return before + suffix
        case [2, dict(changed), list(gone)] if isinstance(before, dict):
            after = {key: value for key, value in before.items() if key not in gone}
            for key, change in changed.items():
                after[key] = patched(before.get(key), change)
            return after
    raise BadDelta("a change that fits nothing")


class Deltas:
    """The newest view of each entity, by who told it."""

    def __init__(self) -> None:
        self._views: dict[tuple[str, str, str], dict[str, Any]] = {}

    def shorten(self, node: str, kind: str, data: dict[str, Any]) -> tuple[str, Delta] | None:
        """(what it is about, how it differs from the view before); None for data that is to be kept in full."""
        field = KEY_OF.get(kind)
        if field is None or (field and not isinstance(data.get(field), str)):
            return None
        entity = data[field] if field else ""
        before = self._remember(node, kind, entity, data)
        return (entity, difference(before, data)) if before is not None else None

    def restore(self, node: str, kind: str, entity: str, delta: Delta) -> dict[str, Any]:
        """The data that `shorten` made this of. BadDelta when there was none before it."""
        before = self._views.get((node, kind, entity))
        after = patched(before, delta) if before is not None else None
        if not isinstance(after, dict):
            raise BadDelta("a change of what was never told")
        self._remember(node, kind, entity, after)
        return after

    def note(self, node: str, kind: str, data: dict[str, Any]) -> None:
        """Data that was kept in full."""
        field = KEY_OF.get(kind)
        if field is not None and (not field or isinstance(data.get(field), str)):
            self._remember(node, kind, data[field] if field else "", data)

    def _remember(self, node: str, kind: str, entity: str, data: dict[str, Any]) -> dict[str, Any] | None:
        key = (node, kind, entity)
        before = self._views.get(key)
        if before is None and len(self._views) >= VIEWS_MAX:
            self._views.clear()
        self._views[key] = data
        return before
