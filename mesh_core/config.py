"""The times and bounds of the protocol that other nodes can feel, with unit, default, FAST value and reason.

Proportions, and what concerns one machine alone, stand beside their use. Fields carry their unit in their name. `DEFAULT` and `FAST` are the two sets of timers; limits do not
differ between them. The tables of `docs/protocol.md` are printed from here.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

PROTOCOL_VERSION = 1
LOCAL_NETWORK = "local"
MICRO_PER_AXL = 1_000_000
DEFAULT_SLOTS = 2
"""Workloads a provider runs at once unless it is told otherwise: a model on a few cores gains nothing from more, and
what a full provider leaves to others spreads over the mesh."""


def _timer(default: float, fast: float, why: str) -> Any:
    return field(default=default, metadata={"fast": fast, "why": why})


@dataclass(frozen=True, slots=True)
class Timing:
    """All timers of a node, in seconds."""

    probe_period_s: float = _timer(0.5, 0.2, "one direct probe per period and node (SWIM §3)")
    probe_timeout_s: float = _timer(0.2, 0.1, "a direct probe unanswered this long asks relays")
    gossip_period_s: float = _timer(0.2, 0.2, "news that has not been repeated often enough is sent on again")
    suspicion_multiplier: float = _timer(3.0, 3.0, "2.5 is 0.1 s faster and has sixty times the false deaths")
    suspicion_max_factor: float = _timer(
        3.0, 3.0, "suspicion starts at min times this and shrinks with accusers"
    )
    probe_burst_gap_s: float = _timer(
        1.0, 1.0, "a member that does not answer has others probed out of turn, at most this often"
    )
    exchange_period_s: float = _timer(15.0, 15.0, "full-state exchange with one random member")
    dead_contact_s: float = _timer(
        1.0, 0.5, "one random dead member is contacted, so that a healed split merges"
    )
    dead_memory_s: float = _timer(86_400.0, 86_400.0, "a dead member is forgotten after a day")
    repair_period_s: float = _timer(1.0, 0.5, "ledger digests exchanged with one random member")
    advert_delay_s: float = _timer(0.02, 0.02, "adverts of records wait this long for more of them")
    fetch_retry_s: float = _timer(
        0.2, 0.2, "a record heard of and not held is asked for again, of the next who has it"
    )
    lease_s: float = _timer(
        6.0, 2.0, "a lease without renewal lapses after this, on each witness's own clock"
    )
    renewal_s: float = _timer(1.5, 0.5, "a holder renews all its leases with one message per witness")
    claim_resend_s: float = _timer(0.25, 0.25, "promise and accept requests are repeated until answered")
    unasked_promises_s: float = _timer(
        0.1, 0.1, "an auction's winner asks for promises that have not come by themselves by then"
    )
    claim_giveup_s: float = _timer(
        1.0,
        1.0,
        "a claim without quorum is released, so that another may win; twice as patient after each loss",
    )
    lease_shown_s: float = _timer(
        0.1, 0.1, "after this, witnesses other than the submitter see the lease: before it would lapse unseen"
    )
    unseen_certificate_s: float = _timer(
        0.4,
        0.4,
        "a promise whose lease is not seen protects its holder so long, twice as long after each that came to none",
    )
    park_s: float = _timer(1.0, 1.0, "a refused promise request waits this long for its guard to open")
    rank_step_s: float = _timer(0.15, 0.15, "each place on the succession list waits this much longer")
    rank_grace_s: float = _timer(0.3, 0.3, "what rank 0 gets on top, counted from the award")
    turn_s: float = _timer(
        2.0,
        1.0,
        "for each live candidate that has had fewer turns at a job, a node waits this long before it claims it again",
    )
    examine_period_s: float = _timer(2.0, 1.0, "every provider looks again at all open jobs")
    admission_resend_s: float = _timer(
        0.25, 0.25, "a submitted job is sent again to members that did not store it"
    )
    refused_again_s: float = _timer(5.0, 5.0, "a member that has refused a job is asked again after this")
    key_patience_s: float = _timer(
        0.05, 0.05, "the submitter alone is asked for a job's key so long, then everybody"
    )
    cancel_patience_s: float = _timer(
        0.5, 0.5, "a holder has so long to propose a cancellation before the submitter claims the job"
    )
    self_query_s: float = _timer(1.0, 1.0, "after a start, how long peers may tell this node of its own past")

    @property
    def suspicion_min_s(self) -> float:
        """Shortest suspicion in a mesh of up to ten members."""
        return self.suspicion_multiplier * self.probe_period_s


DEFAULT = Timing()
FAST = Timing(**{f.name: f.metadata["fast"] for f in fields(Timing)})


@dataclass(frozen=True, slots=True)
class Limit:
    """A bound on something that comes from outside."""

    name: str
    value: int
    unit: str
    why: str


LIMITS: tuple[Limit, ...] = (
    Limit("frame_bytes_max", 1 << 20, "bytes", "larger frames are dropped before their signature is checked"),
    Limit(
        "frame_bytes_target",
        256 << 10,
        "bytes",
        "coalescing stops here; what is left leaves in the next frame",
    ),
    Limit("frame_messages_max", 4096, "messages", "one frame never keeps a node busy for long"),
    Limit(
        "queue_bytes_max",
        16 << 20,
        "bytes per peer",
        "what a dead peer may hold back before the oldest is dropped",
    ),
    Limit("replay_window", 1024, "frames", "how far frames of one boot may overtake each other"),
    Limit("members_max", 1000, "members", "invented members cannot exhaust memory"),
    Limit("updates_per_message_max", 256, "updates", "one exchange cannot flood the membership table"),
    Limit(
        "updates_piggybacked_max",
        12,
        "updates",
        "what rides on a probe or an ack; newest and least told first",
    ),
    Limit(
        "membership_statement_bytes_max",
        4096,
        "bytes",
        "one announcement, with room for a long list of models",
    ),
    Limit("greetings_max", 16, "probes", "newcomers probed at once, however many members somebody invents"),
    Limit("late_answers_max", 64, "probes", "failed probes whose late answer still tells the round trip"),
    Limit("relays_max", 256, "probes", "on behalf of others, at once; the oldest is forgotten"),
    Limit(
        "direct_mesh_max",
        8,
        "members",
        "up to this size all hear a refutation from its subject; beyond it, so many",
    ),
    Limit("record_bytes_max", 64 << 10, "bytes", "certificates of eleven voters fit several times"),
    Limit("records_per_message_max", 512, "records", "a repair answer is continued in the next frame"),
    Limit("records_wanted_max", 4096, "records", "heard of and not held, asked for at the same time"),
    Limit("fetch_tries_max", 6, "requests", "for one record; then the exchange of digests has to find it"),
    Limit("extras_per_author_max", 256, "records", "records beyond a gap or a fork kept per author"),
    Limit("extras_linked_max", 1024, "records", "… with what an author wrote before its fork was known"),
    Limit("stray_records_max", 512, "records", "of one author that matter to nobody"),
    Limit("stray_bytes_max", 1 << 20, "bytes", "… and together"),
    Limit("stray_bytes_total_max", 16 << 20, "bytes", "… and of all strangers"),
    Limit("stray_records_total_max", 4_096, "records", "… of all strangers"),
    Limit(
        "half_bytes_max",
        8192,
        "bytes",
        "an honest job, or its settlement: who holds one of a stranger's keeps so much room for the other",
    ),
    Limit(
        "certificates_per_job_max",
        16,
        "records",
        "of one author for one job that matter: a committee of invented keys leases its job without end",
    ),
    Limit("blob_bytes_max", 16 << 20, "bytes", "payloads and results; larger work is split by the submitter"),
    Limit(
        "results_per_job_max",
        8,
        "blobs",
        "that proposals have brought to a disk before the job is decided; the oldest go",
    ),
    Limit("blob_chunk_bytes", 128 << 10, "bytes", "blobs travel in pieces of this size"),
    Limit("committee_max", 11, "members", "a certificate stays small enough to be read by a person"),
    Limit("bids_max", 64, "bids", "an award lists at most this many bids"),
    Limit("open_jobs_max", 10_000, "jobs", "a submitter beyond it is told to come back later"),
    Limit(
        "open_payload_bytes_max",
        256 << 20,
        "bytes per submitter",
        "of undecided jobs; a customer must not fill disks",
    ),
    Limit(
        "patience_doublings_max",
        3,
        "doublings",
        "of a witness's patience with a job whose leases come to nothing, and of a claimant's after each loss",
    ),
    Limit("epoch_jump_max", 16, "epochs", "a witness promises at most this far ahead without proof"),
    Limit("favours_max", 16, "promises", "to end one job whose submitter has no credit with the witness"),
    Limit("reason_bytes_max", 160, "bytes", "why a job ended or could not be run; every vote repeats it"),
    Limit(
        "bid_bytes_max", 2048, "bytes", "a bid with the longest model name; an award holds one of each member"
    ),
    Limit("vote_bytes_max", 512, "bytes", "a vote with the longest reason; a lock holds a quorum of them"),
    Limit("failures_bytes_max", 1_700, "bytes", "of signed failures that one promise shows"),
    Limit("promise_bytes_max", 5_900, "bytes", "with its lock and failures; a record holds eleven of them"),
    Limit(
        "extras_total_max", 4_096, "records", "… and over all authors: a version vector stays within a frame"
    ),
    Limit(
        "sequence_max",
        1 << 53,
        "",
        "record numbers, epochs and the like; a store's integers hold twice as much",
    ),
    Limit("nesting_max", 32, "levels", "of a statement's fields: what one replica can read, all can"),
    Limit(
        "effects_waiting_max",
        50_000,
        "effects",
        "what may wait for a disk that refuses before messages are dropped",
    ),
    Limit(
        "unwritten_bytes_max",
        64 << 20,
        "bytes",
        "what may wait for a disk that refuses before the node stands still until it is written",
    ),
    Limit("fetches_max", 64, "blobs", "asked for at the same time; others wait in line"),
    Limit(
        "served_bytes_max",
        8 << 20,
        "bytes",
        "read and sent of blobs for one frame; what is left is asked for again",
    ),
    Limit(
        "wide_questions_max",
        4,
        "per frame",
        "those whose answers grow with the mesh; an honest frame has a few",
    ),
    Limit(
        "fetched_bytes_max",
        64 << 20,
        "bytes",
        "what has come of blobs on their way, together; beyond it the one without progress for longest starts over",
    ),
    Limit("queries_kept_max", 500, "queries", "finished ones beyond it are forgotten, oldest first"),
    Limit("price_micro_max", 10**12, "micro-AXL", "a million AXL per job: no sum of prices overflows"),
    Limit("seat_weight_max", 16, "votes", "of one committee member"),
    Limit("fault_bound_max", 5, "members", "that may lie: a committee of eleven has no room for more"),
    Limit("retries_max", 5, "executions", "that may fail before their job does: a promise shows them all"),
    Limit("auction_ms_max", 60_000, "ms", "an auction is over within a minute"),
    Limit("execution_ms_max", 86_400_000, "ms", "a day: what takes longer is split by the submitter"),
    Limit("total_ms_max", 30 * 86_400_000, "ms", "a month after its submission nobody runs a job any more"),
    Limit("own_jobs_max", 2_000, "jobs", "a node that has this many undecided jobs of its own takes no more"),
    Limit("question_chars_max", 4_000, "characters", "a question fits into a small model's context"),
    Limit("text_chars_max", 256, "characters", "names, models and reasons from other members"),
    Limit(
        "retained_records",
        4096,
        "records",
        "the newest are kept whole; of what is older a snapshot takes the place",
    ),
    Limit(
        "authors_max",
        4096,
        "authors",
        "of chains: keys that come, answer once and go leave a head each; beyond so many begin only submitters with credit, "
        "and whoever did something for somebody else's job",
    ),
    Limit("checkpoint_bytes_max", 2048, "bytes", "an elector's vote, which names eleven electors at most"),
    Limit(
        "cut_bytes_max",
        512 << 10,
        "bytes",
        "a cut names one record of each author there is room for; what is larger is none, and is not fetched",
    ),
    Limit(
        "snapshot_open_jobs_max",
        1_000,
        "jobs",
        "open ones of trusted submitters that a cut covers; it leaves out the others' records",
    ),
    Limit("snapshot_open_bytes_max", 4 << 20, "bytes", "of their records"),
    Limit(
        "earner_jobs_max",
        64,
        "jobs",
        "open ones of a submitter without credit that a node takes in, and a snapshot keeps",
    ),
    Limit("earner_bytes_max", 512 << 10, "bytes", "of their records that a snapshot keeps"),
    Limit(
        "earners_bytes_max", 2 << 20, "bytes", "… of all such submitters, of those first who have earned most"
    ),
    Limit(
        "snapshot_apart_max",
        4096,
        "jobs",
        "that are decided while one of their records cannot be covered; others hold back what concerns them",
    ),
    Limit(
        "snapshot_decided_max",
        20_000,
        "jobs",
        "whose values a snapshot tells; half of them are for submitters that electors trust, in each half alike",
    ),
    Limit("trusted_max", 256, "submitters", "that electors trust"),
    Limit(
        "snapshot_payees_max",
        16_384,
        "accounts",
        "that a snapshot tells apart of those whom submitters without credit of their own have paid, shared alike by these",
    ),
    Limit("snapshot_proofs_bytes_max", 1 << 20, "bytes", "of proofs that a snapshot keeps"),
    Limit(
        "handovers_max",
        64,
        "checkpoints",
        "that changed the electors and are shown to who was away; who was away for more cannot follow",
    ),
    Limit("committee_providers", 6, "members", "providers of a committee beside the submitter"),
)
_LIMIT = {limit.name: limit.value for limit in LIMITS}


def limit(name: str) -> int:
    """Value of the limit called `name`; KeyError for a name that is not in `LIMITS`."""
    return _LIMIT[name]


def timing_rows() -> list[tuple[str, float, float, str]]:
    """(name, default, fast, reason) of every timer, in seconds, in order of declaration."""
    return [
        (f.name, float(getattr(DEFAULT, f.name)), float(getattr(FAST, f.name)), str(f.metadata["why"]))
        for f in fields(Timing)
    ]
