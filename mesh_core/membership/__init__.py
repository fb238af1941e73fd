"""Who is alive: SWIM with Lifeguard, helped by hints from AXL."""

from mesh_core.membership.members import Member, MemberState
from mesh_core.membership.membership import Membership, MembershipMessage

__all__ = ["Member", "MemberState", "Membership", "MembershipMessage"]
