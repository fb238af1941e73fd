"""What a node holds of somebody else's votes: evidence for a peer that asks about its own past."""

from __future__ import annotations

from collections.abc import Iterator

from mesh_core.effects import PeerId
from mesh_core.identity.statement import peek
from mesh_core.lease.instance import Instances
from mesh_core.ledger.fold import Ledger
from mesh_core.wire import statements as st
from mesh_core.wire.messages import SignedVote


def known_votes(ledger: Ledger, instances: Instances, peer: PeerId) -> Iterator[SignedVote]:
    """Everything that `peer` has signed for an open job, as far as certificates, claims and ballots here show it.
    Newest jobs first: that is what an old backup lacks."""
    for job in ledger.open_jobs.newest_first():
        if job.leases:
            certificate: st.LeaseCertificate = job.leases[job.epoch][1].body
            for signed in certificate.promises:
                if peek(signed, st.Promise).author == peer:
                    yield SignedVote("promise", signed)
        claim = instances.claims.get(job.id)
        if claim is not None and peer in claim.promises:
            yield SignedVote("promise", claim.promises[peer])
        if claim is not None and peer in claim.votes:
            yield SignedVote("accept", claim.votes[peer])
        if claim is not None and peer in claim.settle_votes:
            yield SignedVote("settle", claim.settle_votes[peer])
        ballot = instances.ballot(job.id)
        if ballot is not None and ballot.proposal and peek(ballot.proposal, st.Proposal).author == peer:
            yield SignedVote("propose", ballot.proposal)
        for signed in ballot.accepted.votes if ballot is not None and ballot.accepted is not None else ():
            if peek(signed, st.AcceptVote).author == peer:
                yield SignedVote("accept", signed)
