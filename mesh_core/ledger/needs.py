"""What a blob is needed for. Each kind has one machine that goes on when the blob is here; the node knows which."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from mesh_core.effects import JobId
from mesh_core.wire.messages import AcceptRequest
from mesh_core.wire.statements import Checkpoint, PeerId, Signed


@dataclass(frozen=True, slots=True)
class StorePayload:
    """The desk answers the submitter once the payload is kept."""

    job: JobId


@dataclass(frozen=True, slots=True)
class OpenPayload:
    """A lease holder opens the payload to run it."""

    job: JobId


@dataclass(frozen=True, slots=True)
class AcceptResult:
    """A witness votes for the proposal of `holder` once it keeps the result; the newest request counts."""

    job: JobId
    holder: PeerId
    request: AcceptRequest = field(compare=False)


@dataclass(frozen=True, slots=True)
class AdoptResult:
    """A lease holder proposes a former holder's result once it can show it."""

    job: JobId


@dataclass(frozen=True, slots=True)
class OpenResult:
    """The submitter opens what it has asked for."""

    job: JobId


@dataclass(frozen=True, slots=True)
class TakeSnapshot:
    """A replica that was away too long takes the snapshot that `checkpoints` vouch for. It has the place of a job."""

    body: Checkpoint
    checkpoints: tuple[Signed, ...] = field(compare=False)
    handovers: tuple[tuple[Signed, ...], ...] = field(compare=False)

    @property
    def job(self) -> JobId:
        """What is settled when it is not needed any more."""
        return self.body.finding.snapshot


@dataclass(frozen=True, slots=True)
class ReadCut:
    """A replica compares what an elector says of the records below a cut. It has the place of a job."""

    cut: bytes

    @property
    def job(self) -> JobId:
        """What is settled when it is not needed any more."""
        return self.cut


Need: TypeAlias = (
    StorePayload | OpenPayload | AcceptResult | AdoptResult | OpenResult | TakeSnapshot | ReadCut
)
