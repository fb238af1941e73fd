"""A real mesh that retains few records drops old ones, and who was away meanwhile catches up by snapshot."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

from mesh_core.api.schema import State
from mesh_core.checkpoint.newest import height_in
from mesh_core.io import store_file
from tests.e2e.mesh import Mesh, Participant
from tests.e2e.test_participant_jobs import corpus, market

__all__ = ["corpus"]

RETAINED = 32
QUESTIONS = 10
"""Two jobs each, and three records or more for each of them."""


def forgetful(participants: list[Participant], electors: list[Participant]) -> None:
    """Let the mesh retain few records."""
    names = [one.peer for one in electors]
    for participant in participants:
        participant.change("[credit]\n", f"electors = {names}\nretained_records = {RETAINED}\n[credit]\n")


async def ask(operator: Participant, questions: int) -> None:
    """Have so many questions answered, one after the other."""
    control = operator.client()
    for _ in range(questions):
        taken = await control.command("submit", text="What does attention do?")

        def is_answered(state: State, query: str = taken["query"]) -> bool:
            return any(one.query == query and one.state != "running" for one in state.queries)

        state = await operator.state_when(is_answered)
        assert next(one.state for one in state.queries if one.query == taken["query"]) == "answered"


async def agreed(participants: list[Participant]) -> None:
    """Wait until all have one state root and none holds many records."""
    root = ""

    def same(state: State) -> bool:
        return state.replica.root == root and state.replica.records < 4 * RETAINED

    root = (await participants[0].client().state()).replica.root
    await asyncio.gather(*(one.state_when(same) for one in participants))


def store_of(participant: Participant) -> Path:
    return participant.folder / "store.db"


def heights(participants: list[Participant]) -> list[int]:
    """The newest checkpoint in each store, 0 where there is none."""
    found = []
    for participant in participants:
        with closing(store_file.look(store_of(participant))) as store:
            found.append(height_in(store_file.read_meta(store, store_of(participant))))
    return found


def rows(participant: Participant, table: str) -> int:
    with closing(sqlite3.connect(store_of(participant))) as store:
        return int(store.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


async def test_old_records_are_dropped_and_who_was_away_catches_up_by_snapshot(
    mesh: Mesh, corpus: Path
) -> None:
    operator, workers = market(mesh, corpus, 5)
    everybody, away = [operator, *workers], workers[-1]
    forgetful(everybody, workers)
    mesh.start()
    await mesh.converged()
    await ask(operator, QUESTIONS)
    await agreed(everybody)
    first = heights([away])[0]
    assert first >= 1
    away.end()
    await ask(operator, 2 * QUESTIONS)
    others = [one for one in everybody if one is not away]
    await agreed(others)
    assert min(heights(others)) >= first + 2
    away.start_axl()
    away.start_provider()
    await agreed(everybody)
    for one in everybody:
        one.end()
    assert len(set(heights(everybody))) == 1
    jobs = 2 * 3 * QUESTIONS
    for one in everybody:
        assert rows(one, "statement") < 4 * RETAINED < 3 * jobs
        assert rows(one, "vote") < 4 * RETAINED
