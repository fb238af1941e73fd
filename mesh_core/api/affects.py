"""Which moments change which views: a table, so that nothing is built that did not change.

A moment names what it is about in its fields; each row says which entities to look at again. Targets beside
the kinds of views: `open_jobs` (every job that is not decided: a group, listed only for whoever watches), `committee`
(the members that have a seat in the job), `query_of` (the query a job belongs to), `self` (this node as a member).
"""

from __future__ import annotations

from typing import TypeAlias

Target: TypeAlias = tuple[str, str]
"""(what to look at again, the field of the moment that names it; empty where there is only one)."""

_NODE: Target = ("node", "")
_REPLICA: Target = ("replica", "")
_MEMBER: Target = ("member", "peer")
_JOB: Target = ("job", "job")
_QUERY_OF: Target = ("query_of", "job")
_COMMITTEE: Target = ("committee", "job")
_OPEN_JOBS: Target = ("open_jobs", "")

AFFECTS: dict[str, tuple[Target, ...]] = {
    "neighbour_lost": (_MEMBER,),
    "neighbour_found": (_MEMBER,),
    "client_detached": (_MEMBER,),
    "member_alive": (_MEMBER, _REPLICA, _OPEN_JOBS),
    "member_suspected": (_MEMBER,),
    "member_dead": (_MEMBER, _REPLICA, _OPEN_JOBS),
    "member_left": (_MEMBER, _REPLICA, _OPEN_JOBS),
    "member_changed": (_MEMBER,),
    "refuted": (("self", ""),),
    "job_submitted": (_JOB, _QUERY_OF),
    "job_accepted": (_JOB,),
    "auction_closed": (_JOB,),
    "lease_granted": (_JOB, _COMMITTEE, _QUERY_OF),
    "lease_renewed": (_JOB,),
    "lease_ended": (_JOB, _COMMITTEE, _QUERY_OF),
    "execution_started": (_JOB,),
    "execution_progress": (_JOB,),
    "execution_finished": (_JOB,),
    "execution_failed": (_JOB,),
    "execution_stopped": (_JOB,),
    "proposed": (_JOB,),
    "job_settled": (_JOB, _COMMITTEE, _QUERY_OF, _REPLICA),
    "result_opened": (_JOB, _QUERY_OF, ("answer", "job")),
    "query_answered": (("query", "query"),),
    "record_added": (("record", "hash"), _JOB, _REPLICA),
    "replica_seen": (_REPLICA,),
    "equivocation": (("member", "author"), _REPLICA),
    "alarm": (_JOB, _OPEN_JOBS, _REPLICA),
    "partitioned": (_NODE,),
    "healed": (_NODE,),
    "ready": (_NODE,),
}
"""Kinds not in `schema.MOMENTS` are signals of the core to its own views: they are not told to anyone."""
