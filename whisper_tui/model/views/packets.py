"""Work on its way: leases to those who take them, results to those who asked. Drawn for a moment after they were told."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from whisper_tui.model.state import LogEntry, State
from whisper_tui.model.views.base import Frame, Role

TRAVEL_MS = 1_000.0
"""How long a packet is seen. The real one takes a thousandth of that; nobody would see it."""

LOOK_BACK = 400
"""Log entries looked at: more do not happen in the time that a packet is seen, or nobody could follow it."""


class Packet(NamedTuple):
    """Something on its way between two peers: `share` of the way is done."""

    start: str
    end: str
    share: float
    sign: str
    role: Role


def packets(frame: Frame) -> list[Packet]:
    """Everything on its way now, the oldest first."""
    return list(_travelling(frame))[::-1]


def any_travels(frame: Frame) -> bool:
    """Whether anything is on its way."""
    return next(_travelling(frame), None) is not None


def _travelling(frame: Frame) -> Iterator[Packet]:
    for entry in frame.state.log[: -LOOK_BACK - 1 : -1]:
        passed = frame.now_ms - entry.at_ms  # a little below zero where the reporter's clock is ahead
        if not -TRAVEL_MS < passed < TRAVEL_MS:
            continue
        packet = _packet(frame, entry, max(0.0, passed) / TRAVEL_MS)
        if packet is not None and packet.start != packet.end:
            yield packet


def _packet(frame: Frame, entry: LogEntry, share: float) -> Packet | None:
    known = frame.state.jobs.get(str(entry.data.get("job")))
    if known is None:
        return None
    holder, submitter = str(entry.data.get("holder")), known.view.submitter
    if entry.kind == "lease_granted":
        before = _holder_before(frame.state, str(entry.data["job"]), entry.data.get("epoch"))
        if before:
            return Packet(before, holder, share, frame.glyphs.rescued, "rescued")
        return Packet(submitter, holder, share, frame.glyphs.lease, "lease")
    if entry.kind == "job_settled":
        return Packet(holder, submitter, share, frame.glyphs.settled, "settled")
    return None


def _holder_before(state: State, job: str, epoch: object) -> str:
    """Who held the job under the lease before this one; empty for the first."""
    earlier = [
        attempt.holder
        for attempt in state.jobs[job].view.attempts
        if isinstance(epoch, int) and attempt.epoch < epoch
    ]
    return earlier[-1] if earlier else ""
