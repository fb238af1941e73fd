"""What the hosts of a world tell over their control APIs, under virtual time.

The same views of the same nodes as in a real participant (`mesh_core.api.view`), in the same envelope; only the hub
that spreads them is left out, since nobody connects and nobody falls behind.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

import mesh_core
from mesh_core.api.hub import SEQ_PER_BOOT, Entity, inert
from mesh_core.api.schema import MOMENTS, Event
from mesh_core.api.view import About, NodeViews
from mesh_core.config import FAST
from mesh_core.effects import Execute, Notify, Write
from mesh_core.node import Node
from mesh_core.simulation.host import Host
from mesh_core.simulation.world import World
from mesh_core.work.result import CitedPassage, encode_answer, make_answer

BACKEND = "simulated"
CORPUS = "simulated"

_MOMENTS = frozenset(moment.kind for moment in MOMENTS)


def answer(execute: Execute) -> bytes:
    """A result that can be read, in place of a model's: a sentence about the question, citing a made-up passage."""
    about = f"What is known of {execute.work.text!r}"
    if execute.work.kind == "combine":
        return encode_answer(make_answer(f"{about}, from all shards at once.", BACKEND, [], []))
    shard = execute.work.shard or 0
    passage = CitedPassage(shard, f"simulated-{shard}.md", f"A passage of shard {shard} that bears on it.")
    return encode_answer(make_answer(f"{about} in shard {shard}.", BACKEND, [passage], []))


class Reporter:
    """Collects the events of a world's hosts; a watcher of the world. Make it before the hosts start.

    `take` answers what has been told since it was asked last: moments in their order, then one view of each entity that may
    have changed, as a hub that is asked so often would send them.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._desks: dict[str, _Desk] = {}
        self._told: list[Event] = []
        world.watch(self)

    def take(self) -> list[Event]:
        """Everything new."""
        for desk in self._desks.values():
            self._told.extend(desk.changed())
        told, self._told = self._told, []
        return told

    def notified(self, host: Host, notify: Notify) -> None:
        """The node of `host` reported something."""
        node = host.node
        assert node is not None, "who tells something is up"
        desk = self._desks.get(host.name)
        if desk is None or not desk.is_of(node):
            desk = self._desks[host.name] = _Desk(self._world, host, node)
        moment = desk.told(notify.kind, notify.fields)
        if moment is not None:
            self._told.append(moment)

    def writing(self, host: Host, writes: Sequence[Write]) -> None:
        """`host` hands these writes to its disk."""

    def durable(self, host: Host, writes: Sequence[Write]) -> None:
        """These writes of `host` are on its disk."""


class _Desk:
    """One life of one host: its views and how its events are numbered."""

    def __init__(self, world: World, host: Host, node: Node) -> None:
        setup, clock = world.setup, host.clock
        self._host = host
        self._node = node
        self._wall_ms: Callable[[], float] = lambda: clock.wall_ms(world.now)
        self._seq = node.context.boot * SEQ_PER_BOOT
        about = About(
            name=host.name,
            role=host.config.announcement.role,
            network=host.config.network,
            version=mesh_core.__version__,
            fast=setup.timing == FAST,
            executes=host.config.executes,
            shards_total=setup.shards,
            corpus=CORPUS,
            connected=True,
        )
        self._views = NodeViews(
            node,
            about,
            now=lambda: clock.monotonic(world.now),
            wall_ms=self._wall_ms,
            problem=lambda: "",
            backend=lambda: BACKEND if host.config.executes else "",
        )
        self._changed: dict[Entity, None] = {}
        self._began = False

    def is_of(self, node: Node) -> bool:
        """Whether the host still lives that life."""
        return self._node is node

    def told(self, kind: str, fields: dict[str, Any]) -> Event | None:
        """Remember what a moment changes; the moment itself unless it is the node's own affair."""
        self._views.observe(kind, fields, self._wall_ms())
        self._changed |= dict.fromkeys(self._views.affected(kind, fields))
        if kind not in _MOMENTS:
            return None
        return self._event(kind, {name: inert(value) for name, value in fields.items()})

    def changed(self) -> list[Event]:
        """A view of everything at first, of what may have changed afterwards; nothing while the host is down or paused."""
        if self._host.node is not self._node or self._host.paused:
            return []
        if not self._began:
            self._began = True
            self._views.restored()
            self._changed = dict.fromkeys(self._views.entities())
        shown: list[Event] = []
        while self._changed:
            entity = next(iter(self._changed))
            del self._changed[entity]
            view = self._views.view(entity)
            if isinstance(view, tuple):
                self._changed |= dict.fromkeys(view)
            elif view is not None:
                shown.append(self._event(entity[0], msgspec.to_builtins(view)))
        return shown

    def _event(self, kind: str, data: dict[str, Any]) -> Event:
        self._seq += 1
        return Event(self._seq, self._wall_ms(), self._host.peer.hex(), kind, data)
