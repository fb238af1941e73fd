"""Whom a row stands for: the participants that an action on it is about."""

from __future__ import annotations

from collections.abc import Iterable

from whisper_tui.model.selectors import open_jobs, operator_of, question_id
from whisper_tui.model.state import State


def peers_of_rows(state: State, rows: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """Peers behind rows, given as (kind of page that the row opens, key): of a node itself, of a job or a lease of it
    who holds it, of a question all who hold a job of it."""
    peers: dict[str, None] = {}
    for page, key in rows:
        if page == "node":
            peers[key] = None
        elif page == "attempt":
            peers |= dict.fromkeys(_holders(state, key.partition(" ")[0]))
        elif page in ("job", "question"):
            peers |= dict.fromkeys(_holders(state, key))
    return tuple(peers)


def _holders(state: State, key: str) -> list[str]:
    operator = operator_of(state)
    return [
        job.holder for job in open_jobs(state) if key in (job.job, question_id(job, operator)) and job.holder
    ]
