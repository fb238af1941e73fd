"""What this node saw happen to jobs: times, tokens, text. Memories for display, never part of the ledger's state."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mesh_core.market.bid import Scored

STORIES_MAX = 2000
ATTEMPTS_MAX = 64
"""Of one job; whoever holds a lease may name any number of epochs."""
TEXT_CHARS_MAX = 4096
"""The end of a growing answer that is shown; the whole of it is the result."""


@dataclass(slots=True)
class AttemptStory:
    """One lease epoch as seen from here. Times are wall-clock milliseconds, 0 before they come."""

    started_ms: float = 0.0
    ended_ms: float = 0.0
    tokens: int = 0
    outcome: str = ""
    note: str = ""


@dataclass(slots=True)
class Story:
    """One job. `bids` and `refusals` are kept of this node's own auctions."""

    accepted_ms: float = 0.0
    text: str = ""
    text_epoch: int = 0
    attempts: dict[int, AttemptStory] = field(default_factory=dict)
    bids: list[Scored] = field(default_factory=list)
    refusals: dict[bytes, str] = field(default_factory=dict)

    def attempt(self, epoch: int) -> AttemptStory:
        """The story of `epoch`, begun if need be."""
        attempt = self.attempts.get(epoch)
        if attempt is None:
            attempt = self.attempts[epoch] = AttemptStory()
            if len(self.attempts) > ATTEMPTS_MAX:
                del self.attempts[next(iter(self.attempts))]
        return attempt


class Stories:
    """The newest stories, by job."""

    def __init__(self) -> None:
        self._stories: OrderedDict[bytes, Story] = OrderedDict()
        self._observers: dict[str, Callable[[Story, float, Mapping[str, Any]], None]] = {
            "job_accepted": _accepted,
            "execution_started": _started,
            "execution_progress": _progressed,
            "execution_finished": _finished,
            "execution_failed": _failed,
            "execution_stopped": _stopped,
            "lease_ended": _lease_ended,
        }

    def of(self, job: bytes) -> Story:
        """The story of a job; an empty one when nothing was seen."""
        return self._stories.get(job) or Story()

    def observe(self, kind: str, fields: Mapping[str, Any], at_ms: float) -> None:
        """A moment happened."""
        observer = self._observers.get(kind)
        if observer is not None:
            observer(self._begun(fields["job"]), at_ms, fields)

    def auctioned(self, job: bytes, bids: list[Scored], refusals: dict[bytes, str]) -> None:
        """An auction of this node has closed."""
        story = self._begun(job)
        story.bids, story.refusals = bids, refusals

    def _begun(self, job: bytes) -> Story:
        story = self._stories.get(job)
        if story is None:
            story = self._stories[job] = Story()
            if len(self._stories) > STORIES_MAX:
                self._stories.popitem(last=False)
        return story


def _accepted(story: Story, at_ms: float, _fields: Mapping[str, Any]) -> None:
    story.accepted_ms = at_ms


def _started(story: Story, at_ms: float, fields: Mapping[str, Any]) -> None:
    attempt = story.attempt(fields["epoch"])
    attempt.started_ms, attempt.ended_ms, attempt.outcome = at_ms, 0.0, ""


def _progressed(story: Story, at_ms: float, fields: Mapping[str, Any]) -> None:
    epoch = fields["epoch"]
    attempt = story.attempt(epoch)
    attempt.started_ms = attempt.started_ms or at_ms
    attempt.tokens = fields["tokens"]
    if epoch != story.text_epoch:
        story.text, story.text_epoch = "", epoch
    story.text = (story.text + fields["text"])[-TEXT_CHARS_MAX:]


def _finished(story: Story, at_ms: float, fields: Mapping[str, Any]) -> None:
    story.attempt(fields["epoch"]).ended_ms = at_ms


def _failed(story: Story, at_ms: float, fields: Mapping[str, Any]) -> None:
    attempt = story.attempt(fields["epoch"])
    attempt.ended_ms, attempt.outcome, attempt.note = at_ms, "failed", fields["error"]


def _stopped(story: Story, at_ms: float, fields: Mapping[str, Any]) -> None:
    attempt = story.attempt(fields["epoch"])
    attempt.ended_ms, attempt.note = at_ms, fields["reason"]


def _lease_ended(story: Story, at_ms: float, fields: Mapping[str, Any]) -> None:
    attempt = story.attempt(fields["epoch"])
    attempt.ended_ms = attempt.ended_ms or at_ms
    attempt.note = attempt.note or fields["reason"]
