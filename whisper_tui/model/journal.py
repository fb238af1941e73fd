"""The log: moments as they happened, one entry for what several observers report of the same thing."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from mesh_core.api.schema import Event
from whisper_tui.model.state import LOG_KEPT, LogEntry, State

SAME: dict[str, tuple[str, ...]] = {
    "neighbour_lost": ("peer",),
    "neighbour_found": ("peer",),
    "client_detached": ("peer",),
    "member_alive": ("peer", "incarnation"),
    "member_suspected": ("peer",),
    "member_dead": ("peer",),
    "member_left": ("peer",),
    "job_submitted": ("job",),
    "job_accepted": ("job",),
    "auction_closed": ("job",),
    "lease_granted": ("job", "epoch", "holder"),
    "lease_ended": ("job", "epoch", "holder"),
    "execution_started": ("job", "epoch"),
    "execution_finished": ("job", "epoch"),
    "execution_failed": ("job", "epoch"),
    "execution_stopped": ("job", "epoch"),
    "proposed": ("job", "epoch"),
    "job_settled": ("job", "outcome", "holder", "price_micro"),
    "result_opened": ("job",),
    "query_answered": ("query",),
    "equivocation": ("author", "kind"),
    "partitioned": ("hidden",),
    "healed": (),
}
"""Fields that make two reports of a kind the same thing. A kind that is missing here is never merged."""

UNLOGGED: frozenset[str] = frozenset({"execution_progress", "record_added"})
"""Moments that are shown elsewhere as they come: in the job's text, in the ledger."""

SAME_WITHIN_MS = 5_000.0
LOOK_BACK = 64
"""Entries searched for an earlier report of the same thing: what is further back is not the same any more."""

_TEXT_MAX = 512
_ITEMS_MAX = 32


def record(state: State, event: Event) -> State:
    """`state` with `event` in its log, merged into an earlier report of the same thing if there is one."""
    same = SAME.get(event.kind)
    key = (event.kind, *(str(event.data.get(name)) for name in same)) if same is not None else ()
    if key:
        known = _find(state.log, key, event.at_ms)
        if known is not None:
            return _merge(state, known, event)
    number = state.log_number + 1
    data = {name: _bounded(value) for name, value in event.data.items()}
    entry = LogEntry(number, event.at_ms, event.kind, data, (event.node,), key)
    kept = state.log[-(LOG_KEPT - 1) :] if len(state.log) >= LOG_KEPT else state.log
    return replace(state, log=(*kept, entry), log_number=number)


def _find(log: tuple[LogEntry, ...], key: tuple[str, ...], at_ms: float) -> int | None:
    for index in range(len(log) - 1, max(-1, len(log) - 1 - LOOK_BACK), -1):
        entry = log[index]
        if entry.key == key:
            return index if abs(at_ms - entry.at_ms) <= SAME_WITHIN_MS else None
    return None


def _merge(state: State, index: int, event: Event) -> State:
    entry = state.log[index]
    if event.node in entry.observers:
        return state
    merged = replace(entry, observers=(*entry.observers, event.node), at_ms=min(entry.at_ms, event.at_ms))
    return replace(state, log=(*state.log[:index], merged, *state.log[index + 1 :]))


def _bounded(value: Any) -> Any:
    """A copy of `value` that cannot grow the log: long texts are cut, deep or long collections flattened."""
    if isinstance(value, str):
        return value[:_TEXT_MAX]
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, list | tuple):
        return [str(item)[:_TEXT_MAX] for item in value[:_ITEMS_MAX]]
    if isinstance(value, dict):
        return " ".join(f"{name}={held}" for name, held in list(value.items())[:_ITEMS_MAX])[:_TEXT_MAX]
    return str(value)[:_TEXT_MAX]
