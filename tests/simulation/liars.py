"""Who lies in a run, and how."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from random import Random

from mesh_core.simulation.host import HostSpec
from mesh_core.simulation.liar import Liar
from mesh_core.simulation.perjury import PERJURIES
from mesh_core.simulation.vices import VICES

LIES = {**VICES, **PERJURIES}
"""Every way of lying by its name."""

VICE_ODDS = 0.3


def draw_liars(
    rng: Random, names: Sequence[str], count: int, vices: Sequence[str], without: frozenset[str]
) -> dict[str, tuple[str, ...]]:
    """Up to `count` of `names`, each with some of `vices`; those in `without` are drawn and left out."""
    liars: dict[str, tuple[str, ...]] = {}
    for name in rng.sample(names, min(count, len(names))):
        drawn = [vice for vice in vices if rng.random() < VICE_ODDS] or [rng.choice(vices)]
        liars[name] = tuple(vice for vice in drawn if vice not in without)
    return liars


def make_liar(spec: HostSpec, vices: Sequence[str], rng: Random) -> HostSpec:
    """The same host, with a liar's node."""
    make = partial(Liar, vices=[LIES[vice] for vice in vices], rng=rng)
    return replace(spec, make_node=make)
