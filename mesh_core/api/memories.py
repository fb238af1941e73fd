"""What this node saw happen to jobs: times, tokens, text. Memories for display, never part of the ledger's state."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mesh_core.market.bid import Scored

MEMORIES_MAX = 2000
ATTEMPTS_MAX = 64
"""Of one job; whoever holds a lease may name any number of epochs."""
TEXT_CHARS_MAX = 4096
"""The end of a growing answer that is shown; the whole of it is the result."""


@dataclass(slots=True)
class AttemptMemory:
    """One lease epoch as seen from here. Times are wall-clock milliseconds, 0 before they come."""

    started_ms: float = 0.0
    ended_ms: float = 0.0
    tokens: int = 0
    outcome: str = ""
    note: str = ""


@dataclass(slots=True)
class Memory:
    """One job. `bids` and `refusals` are kept of this node's own auctions."""

    accepted_ms: float = 0.0
    text: str = ""
    text_epoch: int = 0
    attempts: dict[int, AttemptMemory] = field(default_factory=dict)
    bids: list[Scored] = field(default_factory=list)
    refusals: dict[bytes, str] = field(default_factory=dict)

    def attempt(self, epoch: int) -> AttemptMemory:
        """The memory of `epoch`, begun if need be."""
        attempt = self.attempts.get(epoch)
        if attempt is None:
            attempt = self.attempts[epoch] = AttemptMemory()
            if len(self.attempts) > ATTEMPTS_MAX:
                del self.attempts[next(iter(self.attempts))]
        return attempt


class Memories:
    """The newest memories, by job."""

    def __init__(self) -> None:
        self._memories: OrderedDict[bytes, Memory] = OrderedDict()
        self._observers: dict[str, Callable[[Memory, float, Mapping[str, Any]], None]] = {
            "job_accepted": _accepted,
            "execution_started": _started,
            "execution_progress": _progressed,
            "execution_finished": _finished,
            "execution_failed": _failed,
            "execution_stopped": _stopped,
            "lease_ended": _lease_ended,
        }

    def of(self, job: bytes) -> Memory:
        """The memory of a job; an empty one when nothing was seen."""
        return self._memories.get(job) or Memory()

    def observe(self, kind: str, fields: Mapping[str, Any], at_ms: float) -> None:
        """A moment happened."""
        observer = self._observers.get(kind)
        if observer is not None:
            observer(self._begun(fields["job"]), at_ms, fields)

    def auctioned(self, job: bytes, bids: list[Scored], refusals: dict[bytes, str]) -> None:
        """An auction of this node has closed."""
        memory = self._begun(job)
        memory.bids, memory.refusals = bids, refusals

    def _begun(self, job: bytes) -> Memory:
        memory = self._memories.get(job)
        if memory is None:
            memory = self._memories[job] = Memory()
            if len(self._memories) > MEMORIES_MAX:
                self._memories.popitem(last=False)
        return memory


def _accepted(memory: Memory, at_ms: float, _fields: Mapping[str, Any]) -> None:
    memory.accepted_ms = at_ms


def _started(memory: Memory, at_ms: float, fields: Mapping[str, Any]) -> None:
    attempt = memory.attempt(fields["epoch"])
    attempt.started_ms, attempt.ended_ms, attempt.outcome = at_ms, 0.0, ""


def _progressed(memory: Memory, at_ms: float, fields: Mapping[str, Any]) -> None:
    epoch = fields["epoch"]
    attempt = memory.attempt(epoch)
    attempt.started_ms = attempt.started_ms or at_ms
    attempt.tokens = fields["tokens"]
    if epoch != memory.text_epoch:
        memory.text, memory.text_epoch = "", epoch
    memory.text = (memory.text + fields["text"])[-TEXT_CHARS_MAX:]


def _finished(memory: Memory, at_ms: float, fields: Mapping[str, Any]) -> None:
    memory.attempt(fields["epoch"]).ended_ms = at_ms


def _failed(memory: Memory, at_ms: float, fields: Mapping[str, Any]) -> None:
    attempt = memory.attempt(fields["epoch"])
    attempt.ended_ms, attempt.outcome, attempt.note = at_ms, "failed", fields["error"]


def _stopped(memory: Memory, at_ms: float, fields: Mapping[str, Any]) -> None:
    attempt = memory.attempt(fields["epoch"])
    attempt.ended_ms, attempt.note = at_ms, fields["reason"]


def _lease_ended(memory: Memory, at_ms: float, fields: Mapping[str, Any]) -> None:
    attempt = memory.attempt(fields["epoch"])
    attempt.ended_ms = attempt.ended_ms or at_ms
    attempt.note = attempt.note or fields["reason"]
