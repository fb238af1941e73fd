"""Signed records of a mesh, from whichever of its participants holds them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from mesh_core.api.client import ControlClient, ControlError, ControlUnavailable
from mesh_core.api.schema import CheckedRecord, RecordView
from whisper_tui.errors import ActionError, MeshUnreachable

T = TypeVar("T")


class MeshRecords:
    """Asks participants in the order in which `askable` names them: (name, control API). Each answer comes with the name of
    the participant that gave it."""

    def __init__(self, askable: Callable[[], Awaitable[Sequence[tuple[str, ControlClient]]]]) -> None:
        self._askable = askable

    async def record(self, name: str) -> tuple[str, CheckedRecord]:
        """One signed record, checked by the first who holds it. ActionError when nobody does, MeshUnreachable when nobody
        answers."""
        return await self._first(lambda client: client.record(name))

    async def about_job(self, job: str) -> tuple[str, Sequence[RecordView]]:
        """The records about a job that the first who answers holds. MeshUnreachable when nobody does."""
        return await self._first(lambda client: client.records_of_job(job))

    async def by_author(self, peer: str) -> tuple[str, Sequence[RecordView]]:
        """The records by an author that the first who answers holds. MeshUnreachable when nobody does."""
        return await self._first(lambda client: client.records_of_author(peer))

    async def _first(self, question: Callable[[ControlClient], Awaitable[T]]) -> tuple[str, T]:
        refusal = silence = ""
        for name, client in await self._askable():
            try:
                return name, await question(client)
            except ControlError as error:
                refusal = refusal or str(error)
            except ControlUnavailable as error:
                silence = str(error)
        if refusal:
            raise ActionError(refusal)
        raise MeshUnreachable(
            f"no participant answers: {silence}" if silence else "every participant is down"
        )
