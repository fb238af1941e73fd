"""A state, whole or as what has changed since another one of the same run.

States share what has not changed: whatever is the same object in both is left out, so that a snapshot of a long run costs
what has happened since the base and not what is known.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from whisper_tui.model.state import LogEntry, State
from whisper_tui.recording.finite import has_infinity

MAPPINGS = (
    "observers",
    "names",
    "processes",
    "sources",
    "members",
    "jobs",
    "fates",
    "queries",
    "answers",
    "records",
    "ens",
)
"""Fields of a state that grow with the mesh."""


class BadSnapshot(ValueError):
    """Bytes that are no state."""


class Changes(Struct, frozen=True):
    """What turns a base into a state: `state` with the base's entries left out, the keys that are gone, by field, and the
    number of the oldest log entry that is still kept. `again` are log entries that came to be seen by others too."""

    state: State
    gone: dict[str, list[Any]]
    log_from: int
    again: tuple[LogEntry, ...]


def encode(state: State) -> bytes:
    """All of a state."""
    return msgspec.msgpack.encode(state)


def decode(data: bytes) -> State:
    """A state from its bytes. BadSnapshot for anything else."""
    try:
        state = msgspec.msgpack.decode(data, type=State)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise BadSnapshot(str(error)) from error
    _refuse_infinity(data, state)
    return state


def encode_changes(base: State, state: State) -> bytes:
    """What has changed since `base`, an earlier state of the same run."""
    fields: dict[str, Any] = {}
    gone: dict[str, list[Any]] = {}
    for name in MAPPINGS:
        before: Mapping[Any, Any] = getattr(base, name)
        after: Mapping[Any, Any] = getattr(state, name)
        fields[name] = (
            {}
            if after is before
            else {key: value for key, value in after.items() if before.get(key) is not value}
        )
        if after is not before and (lost := [key for key in before if key not in after]):
            gone[name] = lost
    known = {entry.number: entry for entry in base.log}
    changed = [entry for entry in state.log if known.get(entry.number) is not entry]
    fields["log"] = tuple(entry for entry in changed if entry.number > base.log_number)
    again = tuple(entry for entry in changed if entry.number <= base.log_number)
    log_from = state.log[0].number if state.log else 0
    return msgspec.msgpack.encode(Changes(replace(state, **fields), gone, log_from, again))


def decode_changes(base: State, data: bytes) -> State:
    """The state that `encode_changes` was given with this base. BadSnapshot for anything else."""
    try:
        changes = msgspec.msgpack.decode(data, type=Changes)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise BadSnapshot(str(error)) from error
    _refuse_infinity(data, changes)
    fields: dict[str, Any] = {}
    for name in MAPPINGS:
        lost = {_key(key) for key in changes.gone.get(name, ())}
        kept = {key: value for key, value in getattr(base, name).items() if key not in lost}
        fields[name] = kept | dict(getattr(changes.state, name))
    again = {entry.number: entry for entry in changes.again}
    old = tuple(again.get(e.number, e) for e in base.log if e.number >= changes.log_from)
    return replace(changes.state, **fields, log=(*old, *changes.state.log))


def _refuse_infinity(data: bytes, decoded: Any) -> None:
    if has_infinity(data, decoded):
        raise BadSnapshot("a number in it is infinite or none")


def _key(key: Any) -> Any:
    return tuple(key) if isinstance(key, list) else key
