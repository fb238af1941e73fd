"""Hosts that are in trouble for ever: a connected core must finish everything without them."""

from __future__ import annotations

from random import Random

from mesh_core.effects import PeerId
from mesh_core.simulation.world import World

FATES = ("down", "stopped", "cut off", "deaf", "mute", "full disk")
"""What becomes of an outcast. Deaf: nothing reaches it; mute: it reaches nobody."""


def cast_out(world: World, rng: Random, count: int, spare: int) -> set[PeerId]:
    """Put `count` random hosts into trouble that does not end; now and then more than the mesh has to `spare`."""
    here = [host.name for host in world.hosts.values() if not host.lost and host.started]
    most = count if rng.random() < 0.1 else min(count, spare)
    names = rng.sample(here, min(most, len(here) - 1))
    for name in names:
        _seal_fate(world, name, rng.choice(FATES), [other for other in here if other != name])
    return {world.hosts[name].peer for name in names}


def _seal_fate(world: World, name: str, fate: str, others: list[str]) -> None:
    world.trace.tell(world.now, name, f"is cast out: {fate}")
    if fate == "down":
        world.kill(name)
    elif fate == "stopped":
        world.pause(name)
    elif fate == "cut off":
        world.split([[name], others])
    elif fate == "deaf":
        world.cut(others, [name])
    elif fate == "mute":
        world.cut([name], others)
    else:
        world.fill_disk(name, full=True)
