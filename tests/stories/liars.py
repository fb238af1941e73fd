"""Who lies in a story, and how: the vices of the simulator, and such as need a rule of the core turned off."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from random import Random

from mesh_core.node import Node
from mesh_core.simulation.host import HostSpec
from mesh_core.simulation.liar import Liar, Vice
from mesh_core.simulation.vices import VICES
from mesh_core.wire import statements as st


class IgnoresLocks(Vice):
    """As a holder, proposes a result of its own whatever the promises bind it to."""

    about = "ignores what it must adopt"

    def __init__(self, node: Node, rng: Random) -> None:
        super().__init__(node, rng)
        node.holder.adopted_value = _nothing  # type: ignore[method-assign]


def _nothing(_claim: object) -> st.Value | None:
    return None


OF_STORIES = {**VICES, "ignores": IgnoresLocks}


def let_lie(name: str, vices: Sequence[str], spec: HostSpec) -> HostSpec:
    """The host as it is, or as a liar if that is its name."""
    if spec.name != name:
        return spec
    make = partial(Liar, vices=[OF_STORIES[vice] for vice in vices], rng=Random(name))
    return replace(spec, make_node=make)
