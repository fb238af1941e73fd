"""Which kinds of work a provider can do. A new kind is one entry here and one module beside this one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from mesh_core.wire.messages import Work
from mesh_core.work.answer import answer
from mesh_core.work.combine import combine
from mesh_core.work.errors import WorkError
from mesh_core.work.tools import Tools

Workload: TypeAlias = Callable[[Work, Tools], Awaitable[bytes]]
"""Does a piece of work and gives back its encoded result. Raises WorkError; may be cancelled at any await."""

WORKLOADS: dict[str, Workload] = {"answer": answer, "combine": combine}


def workload(kind: str) -> Workload:
    """The workload for `kind`. Raises WorkError when there is none."""
    found = WORKLOADS.get(kind)
    if found is None:
        raise WorkError(
            f"this provider does not know work of kind {kind[:64]!r}; it does {', '.join(WORKLOADS)}"
        )
    return found
