"""What the promises of a lease bind its holder to. The holder obeys, and where votes may lie every witness checks."""

from __future__ import annotations

from collections.abc import Iterable

from mesh_core.crypto import Verifier
from mesh_core.identity.statement import StatementError, check
from mesh_core.quorum.committee import members, weight_of
from mesh_core.wire import statements as st


def adopted(promises: Iterable[st.Promise]) -> st.Value | None:
    """The value that must be proposed again: the one shown of the highest epoch (Lamport 1998, §2.3, condition B3).

    Why it is safe: a value that was settled at some epoch had a quorum behind it. Every quorum of promises for a later
    epoch shares an honest member with that one, which shows the value, or one of a later epoch; and that can only be
    the same value, by the same argument.
    """
    shown = [promise.accepted for promise in promises if promise.accepted is not None]
    return max(shown, key=lambda one: one.epoch).value if shown else None


def failures(
    verifier: Verifier, network: str, job: st.Job, job_id: st.JobId, promises: Iterable[st.Promise]
) -> list[st.Release]:
    """The signed failures of members that promises show, checked, one per member and epoch."""
    seats = members(job)
    found: dict[tuple[st.PeerId, int], st.Release] = {}
    for signed in dict.fromkeys(signed for promise in promises for signed in promise.failures):
        try:
            release = check(verifier, signed, st.Release, network)
        except StatementError:
            continue
        if release.job == job_id and release.error and release.author in seats:
            found.setdefault((release.author, release.epoch), release)
    return list(found.values())


def has_failed(job: st.Job, seen: Iterable[st.Release]) -> bool:
    """Whether a job has failed for good: often enough, and not by the word of liars alone."""
    seen = list(seen)
    authors = {release.author for release in seen}
    return len(seen) >= job.retries and weight_of(job, authors) > job.fault_bound
