"""What the commands of the control API mean for the node (the table is `schema.COMMANDS`)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta, Struct

from mesh_core.api.server import CommandRefusedError
from mesh_core.config import limit
from mesh_core.effects import CancelJob, Input, JobOptions, Leave, Partition, SubmitQuery
from mesh_core.node import Node, Refusal
from mesh_core.wire.malformed import explained

ACCEPTED_S = 2.0
"""How long a submission may take to be on enough disks before its answer says `pending`."""

CANCEL_REASON = "cancelled by its submitter"

_HEX_KEY_CHARS = 64


class SubmitArgs(Struct, frozen=True, forbid_unknown_fields=True):
    """Arguments of `submit`, within what every member accepts in a job; None takes the default."""

    text: str
    label: Annotated[str, Meta(max_length=64, pattern=r"^[^\x00-\x1f\x7f-\x9f]*$")] = ""
    max_price_micro: Annotated[int, Meta(ge=0, le=limit("price_micro_max"))] | None = None
    fault_bound: Annotated[int, Meta(ge=0, le=limit("fault_bound_max"))] | None = None
    submitter_weight: Annotated[int, Meta(ge=1, le=limit("seat_weight_max"))] | None = None
    retries: Annotated[int, Meta(ge=1, le=limit("retries_max"))] | None = None
    auction_ms: Annotated[int, Meta(ge=1, le=limit("auction_ms_max"))] | None = None
    execution_ms: Annotated[int, Meta(ge=1, le=limit("execution_ms_max"))] | None = None
    total_ms: Annotated[int, Meta(ge=1, le=limit("total_ms_max"))] | None = None
    to: Annotated[str, Meta(pattern=r"\A[0-9a-f]{64}\Z")] | None = None

    @property
    def preferred(self) -> bytes | None:
        """The provider that is asked first."""
        return bytes.fromhex(self.to) if self.to is not None else None

    def options(self) -> JobOptions:
        """What is said of the jobs, the rest by default."""
        said = {name: getattr(self, name) for name in JobOptions.__dataclass_fields__}
        return JobOptions(**{name: value for name, value in said.items() if value is not None})


class CancelArgs(Struct, frozen=True, forbid_unknown_fields=True):
    """Arguments of `cancel`: a job by id or label, or all jobs of a query by its label."""

    job: str


class PartitionArgs(Struct, frozen=True, forbid_unknown_fields=True):
    """Arguments of `partition`."""

    hidden: list[str]


class LeaveArgs(Struct, frozen=True, forbid_unknown_fields=True):
    """`leave` takes no arguments."""


A = TypeVar("A", bound=Struct)


class Commands:
    """Carries out commands on one node. `corpus` names the corpus that questions are about, `shards` how many
    parts it has; `stop` ends the process."""

    def __init__(
        self,
        node: Node,
        step: Callable[[Input], None],
        submit: Callable[[SubmitQuery], bytes],
        stop: Callable[[], None],
        corpus: str,
        shards: int,
    ) -> None:
        self._node = node
        self._step = step
        self._submit_query = submit
        self._stop = stop
        self._corpus = corpus
        self._shards = shards
        self._accepting: dict[bytes, asyncio.Event] = {}

    async def run(self, name: str, args: dict[str, Any]) -> dict[str, Any]:
        """Carry out one command. Raises CommandRefusedError with one line."""
        match name:
            case "submit":
                return await self._submit(_read(args, SubmitArgs))
            case "cancel":
                return self._cancel(_read(args, CancelArgs))
            case "partition":
                return self._partition(_read(args, PartitionArgs))
            case "leave":
                _read(args, LeaveArgs)
                self._step(Leave())
                self._stop()
                return {}
        raise CommandRefusedError(f"no command {name!r}")

    def accepted(self, job_id: bytes) -> None:
        """A job is on the disks of a quorum of its committee."""
        job = self._node.ledger.jobs.get(job_id)
        waiter = self._accepting.get(job.job.query) if job is not None else None
        if waiter is not None:
            waiter.set()

    async def _submit(self, args: SubmitArgs) -> dict[str, Any]:
        shards = tuple(range(self._shards))
        request = SubmitQuery(args.text, args.label, self._corpus, shards, args.options())
        try:
            query_id = self._submit_query(request)
        except Refusal as refusal:
            raise CommandRefusedError(str(refusal)) from None
        accepted = await self._until_accepted(query_id)
        state = self._node.queries.queries[query_id].state
        return {
            "query": query_id.hex(),
            "label": state.label,
            "jobs": [job.hex() for job in state.jobs],
            "state": "accepted" if accepted else "pending",
        }

    async def _until_accepted(self, query_id: bytes) -> bool:
        """Whether all answer jobs of a query are accepted before `ACCEPTED_S` is over."""
        waiter = self._accepting[query_id] = asyncio.Event()
        try:
            async with asyncio.timeout(ACCEPTED_S):
                while not self._all_accepted(query_id):
                    waiter.clear()
                    await waiter.wait()
        except TimeoutError:
            return False
        finally:
            del self._accepting[query_id]
        return True

    def _all_accepted(self, query_id: bytes) -> bool:
        auctions = self._node.auctioneer.auctions
        jobs = self._node.queries.queries[query_id].state.jobs
        return all(job not in auctions or auctions[job].accepted for job in jobs)

    def _cancel(self, args: CancelArgs) -> dict[str, Any]:
        jobs = self._jobs_called(args.job)
        mine = [job for job in jobs if self._node.ledger.jobs[job].submitter == self._node.peer]
        still_open = [job for job in mine if job in self._node.ledger.open_jobs]
        if not jobs:
            raise CommandRefusedError(f"there is no job {args.job!r} here")
        if not mine:
            raise CommandRefusedError(f"job {args.job} is somebody else's; only its submitter can cancel it")
        if not still_open:
            raise CommandRefusedError(f"job {args.job} is decided already")
        if self._node.past.refusal:
            raise CommandRefusedError(self._node.past.refusal)
        for job in still_open:
            self._step(CancelJob(job, CANCEL_REASON))
        return {"job": args.job, "jobs": [job.hex() for job in still_open]}

    def _jobs_called(self, name: str) -> list[bytes]:
        ledger = self._node.ledger
        if len(name) == _HEX_KEY_CHARS:
            try:
                job_id = bytes.fromhex(name)
            except ValueError:
                return []
            return [job_id] if job_id in ledger.jobs else []
        for query in self._node.queries.queries.values():
            if query.state.label == name:
                jobs = [*query.state.jobs, query.state.combine]
                return [job for job in jobs if job in ledger.jobs]
        labelled = [job.id for job in ledger.jobs.values() if job.job.label == name]
        own = [job for job in labelled if ledger.jobs[job].submitter == self._node.peer]
        return own or labelled

    def _partition(self, args: PartitionArgs) -> dict[str, Any]:
        try:
            hidden = frozenset(bytes.fromhex(peer) for peer in args.hidden)
        except ValueError:
            hidden = frozenset({b""})
        if any(len(peer) != _HEX_KEY_CHARS // 2 for peer in hidden):
            raise CommandRefusedError("hidden: peer ids of 64 hexadecimal characters are expected")
        self._step(Partition(hidden))
        return {"hidden": sorted(peer.hex() for peer in self._node.hidden)}


def _read(args: dict[str, Any], kind: type[A]) -> A:
    try:
        return msgspec.convert(args, kind)
    except msgspec.ValidationError as error:
        raise CommandRefusedError(explained(error, "is not an argument")) from None
