"""One participant's mesh process, put together: settings, store, node, transport, workloads, control API.

Opened in the order in which things can fail, closed in the reverse order of what others rely on.
"""

from __future__ import annotations

import asyncio
import gc
import os
import random
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import msgspec

import mesh_core
from axl.client import AxlClient
from axl.keys import PrivateKey
from mesh_core.api.commands import Commands
from mesh_core.api.hub import EventHub
from mesh_core.api.receipt import make_receipt
from mesh_core.api.schema import MOMENTS, CheckedRecord, RecordView, State
from mesh_core.api.server import ControlServer
from mesh_core.api.view import About, NodeViews
from mesh_core.config import DEFAULT, FAST
from mesh_core.context import Doors, NodeConfig
from mesh_core.effects import Executed, Leave, Progressed, PutMeta, Stored
from mesh_core.io.axl_transport import AxlTransport
from mesh_core.io.backend_watch import BackendWatch
from mesh_core.io.clock import Clock
from mesh_core.io.crypto import KeyCrypto
from mesh_core.io.executions import Executions, Executor
from mesh_core.io.log import Log
from mesh_core.io.problems import Problems
from mesh_core.io.runtime import Runtime
from mesh_core.io.settings import Settings
from mesh_core.io.store import Store
from mesh_core.io.store_file import StoreError
from mesh_core.node import Node
from mesh_core.wire.statements import Announcement

FAREWELL_S = 0.5
"""How long a node that leaves waits until its goodbye is on disk and out; whoever supervises it waits 2 s."""

WRITTEN_S = 2.0
"""How long whoever asks for a receipt waits until it is on disk."""

_BOOT_KEY = "runtime:boot"
_MOMENTS = frozenset(moment.kind for moment in MOMENTS)
_OPENS_OR_ENDS_JOBS = frozenset({"record_added", "job_settled"})
_NOT_LOGGED = frozenset({"execution_progress", "record_added"})


class PortTakenError(Exception):
    """The control API cannot listen; the message is one line for the user."""


class Participant:
    """A running participant. Make it inside the event loop, `start`, wait for `stopped`, `close`."""

    def __init__(
        self,
        settings: Settings,
        key: PrivateKey,
        token: str,
        store: Store,
        stored: Stored,
        executor: Executor,
    ) -> None:
        """Raises OSError when the log cannot be opened."""
        self._settings = settings
        self._store = store
        self._clock = clock = Clock()
        self._boot = int(stored.meta.pop(_BOOT_KEY, b"0")) + 1
        self._joined = False
        self.stopped = asyncio.Event()
        self.failure: StoreError | None = None
        self._log = Log(settings.path(settings.log), clock.wall_ms, asyncio.get_running_loop().call_soon)
        self._problems = Problems(self._mention, self._node_changed, self._trace)
        doors = Doors(KeyCrypto(key.seed), random.SystemRandom(), clock.wall_ms)
        self._node = node = Node(_node_config(settings, key.peer), doors, stored, self._boot)
        self._about = _about(settings)
        self._views = NodeViews(
            node,
            self._about,
            clock.now,
            clock.wall_ms,
            problem=lambda: self._problems.text,
            backend=lambda: executor.backend_name,
        )
        self._hub = EventHub(key.peer, self._boot, self._views, clock.wall_ms)
        self._runtime = runtime = Runtime(
            node, store, clock, self._problems, self._notified, self._store_failed
        )
        self._client = AxlClient(settings.axl_url)
        self._transport = AxlTransport(
            self._client,
            node.seal_frame,
            runtime.receive,
            runtime.neighbours,
            self._axl_problem,
            self._twin_problem,
        )
        self._executor = executor
        self._backend = BackendWatch(
            executor,
            settings.backend.has_model,
            lambda line: self._log.write("backend", {"text": line}),
            self._announce,
        )
        self._preparing: asyncio.Task[None] | None = None
        self._executions = Executions(executor, self._executed, runtime.bug)
        runtime.connect(self._transport, self._executions)
        corpus, shards = self._about.corpus, settings.shards_total
        self._commands = Commands(node, runtime.step, runtime.submit, self.stopped.set, corpus, shards)
        self._server = ControlServer(self, self._hub, token)

    async def start(self) -> None:
        """Show what is there, then join the mesh as soon as disk and AXL node let it.

        Raises PortTakenError, and WrongKeyError when the AXL node runs as another key.
        """
        asyncio.get_running_loop().set_exception_handler(self._unexpected)
        self._store.start(self._runtime)
        self._log.write("started", {"peer": self._node.peer.hex(), "boot": self._boot})
        await self._listen()
        await self._runtime.until_durable(self._runtime.persist([_boot_write(self._boot)]))
        await self._transport.connect(self._node.peer)
        self._joined = self._about.connected = True
        self._runtime.start()
        # What was loaded lives as long as the process: collections need not walk it again and again.
        gc.freeze()
        self._views.restored()
        self._transport.start()
        self._node_changed()
        if self._settings.executes:
            # Joining the mesh does not wait for that.
            self._preparing = asyncio.create_task(self._backend.run())

    async def close(self) -> None:
        """Say goodbye, end what runs, leave a store that opens again."""
        if self._joined:
            self._runtime.step(Leave())
            with suppress(TimeoutError):
                async with asyncio.timeout(FAREWELL_S):
                    await self._runtime.written()
                    await self._transport.flushed()
        self._runtime.close()
        if self._preparing is not None:
            self._preparing.cancel()
        await self._server.close()
        await self._executions.close()
        await self._executor.aclose()
        await self._transport.close()
        await self._client.aclose()
        if not self._store.close():
            self._log.write("problem", {"text": "the disk refused the last writes; nobody was told of them"})
        self._log.write("stopped", {})
        self._log.close()

    async def _listen(self) -> None:
        host, port = self._settings.control_host, self._settings.control_port
        try:
            await self._server.start(host, port)
        except OSError as error:
            raise PortTakenError(f"control API: {host}:{port}: {error.strerror}") from None
        self._log.write("listening", {"host": host, "port": self._server.port})

    def _executed(self, event: Executed | Progressed) -> None:
        self._runtime.step(event)
        if isinstance(event, Executed):
            self._backend.look()

    def _announce(self, backend: str) -> None:
        """Tell the mesh what writes the answers here."""
        announcement = self._node.membership.announcement
        self._runtime.announce(msgspec.structs.replace(announcement, models=(backend,)))
        self._node_changed()

    # ------------------------------------------------------------------------------- for the control API

    def state(self) -> State:
        """Everything at once."""
        counters = self._transport.counters
        traffic = {name: getattr(counters, name) for name in counters.__dataclass_fields__}
        return self._views.state(self._hub.seq, traffic)

    def health(self) -> dict[str, Any]:
        """Whether this participant works, in a few words."""
        node = self._views.node()
        return {
            "name": node.name,
            "peer": node.peer,
            "boot": node.boot,
            "pid": os.getpid(),
            "ready": node.ready,
            "problem": node.problem,
            "retired": self._node.past.retirement,
            "members_alive": len(self._node.membership.live()),
        }

    def metrics(self) -> bytes:
        """Prometheus text."""
        from mesh_core.io.metrics import Meters, render  # noqa: PLC0415 (1.4 MB that most never need)

        return render(
            Meters(self._node, self._runtime, self._transport, self._store, self._executions, self._hub)
        )

    async def certificate(self, job: bytes) -> bytes | None:
        """A receipt that can be checked offline, None while there is none on this node's disk.

        It holds a signed record. One of this node's own that a crash could take back would contradict what takes its
        place, so that like everything signed here it leaves once it is durable.
        """
        known = self._node.ledger.jobs.get(job)
        if known is None or known.settle is None:
            return None
        receipt = make_receipt(self._settings.network, known.entry.signed, known.settle.signed)
        with suppress(TimeoutError):
            async with asyncio.timeout(WRITTEN_S):
                await self._runtime.written()
                return receipt
        return None

    def result(self, job: bytes) -> bytes | None:
        """The opened result of one of this node's own jobs, None while there is none."""
        return self._node.queries.opened(job)

    def records_of_job(self, job: bytes) -> list[RecordView]:
        """The newest records about a job that are held."""
        return self._views.records.of_job(job)

    def records_of_author(self, author: bytes) -> list[RecordView]:
        """The newest records by an author that are held."""
        return self._views.records.of_author(author)

    async def record(self, name: bytes) -> CheckedRecord | None:
        """One signed record and every check of it. Like a receipt, one of its own leaves once it is durable."""
        checked = self._views.records.checked(name)
        if checked is None or checked.record.author != self._node.peer.hex():
            return checked
        with suppress(TimeoutError):
            async with asyncio.timeout(WRITTEN_S):
                await self._runtime.written()
                return checked
        return None

    async def command(self, name: str, args: dict[str, Any]) -> dict[str, Any]:
        """Carry out a command and tell of it."""
        self._notified("command", {"name": name, "args": args})
        return await self._commands.run(name, args)

    # ---------------------------------------------------------------------------------------- what happens

    def _notified(self, kind: str, fields: Mapping[str, Any]) -> None:
        """The node, or this process, tells something: for the views, the watchers and the log."""
        self._views.observe(kind, fields, self._clock.wall_ms())
        for entity in self._views.affected(kind, fields):
            self._hub.dirty(entity)
        if kind in _MOMENTS:
            told = self._hub.moment(kind, fields)
            if kind not in _NOT_LOGGED:
                self._log.write(kind, told)
        if kind == "job_accepted":
            self._commands.accepted(fields["job"])
        elif kind in _OPENS_OR_ENDS_JOBS:
            self._client.busy = bool(self._node.ledger.open_jobs)

    def _mention(self, text: str) -> None:
        self._notified("problem", {"text": text})

    def _trace(self, name: str, trace: str) -> None:
        self._log.write("bug", {"name": name, "trace": trace})

    def _unexpected(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """An exception that no code of ours waited for."""
        message = str(context["message"])
        self._runtime.bug(message, context.get("exception") or RuntimeError(message))

    def _node_changed(self) -> None:
        self._hub.dirty(("node", b""))

    def _axl_problem(self, text: str) -> None:
        self._about.connected = self._joined and not text
        self._problems.set("axl", text)

    def _twin_problem(self, where: str) -> None:
        line = f"another AXL node runs with this participant's key, noticed {where}: end one of the two and start the other again"
        self._problems.set("twin", line if where else "")

    def _store_failed(self, error: StoreError) -> None:
        """Going on could mean to contradict what the disk says: stop, and let a restart begin from it."""
        self.failure = error
        self._problems.set("store", str(error))
        self.stopped.set()


def _node_config(settings: Settings, peer: bytes) -> NodeConfig:
    announcement = Announcement(
        settings.name,
        settings.role,
        tuple(settings.capabilities),
        settings.price_micro,
        tuple(settings.shards),
        (),
        settings.ens_name,
    )
    credit = {bytes.fromhex(submitter): limit_micro for submitter, limit_micro in settings.credit.items()}
    timing = FAST if settings.fast else DEFAULT
    electors = tuple(map(bytes.fromhex, settings.electors))
    return NodeConfig(
        settings.network,
        peer,
        timing,
        announcement,
        settings.executes,
        credit,
        settings.slots,
        electors,
        settings.retained_records,
    )


def _about(settings: Settings) -> About:
    return About(
        name=settings.name,
        role=settings.role,
        network=settings.network,
        version=mesh_core.__version__,
        fast=settings.fast,
        executes=settings.executes,
        shards_total=settings.shards_total,
        corpus=settings.path(settings.corpus_index).stem if settings.corpus_index else "",
    )


def _boot_write(boot: int) -> PutMeta:
    return PutMeta(_BOOT_KEY, str(boot).encode())
