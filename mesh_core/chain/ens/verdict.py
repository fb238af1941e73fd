"""Is a name its peer's? Judged from what was found under it: pure."""

from __future__ import annotations

from dataclasses import dataclass

from axl.keys import PeerIdError, parse_peer_id
from mesh_core.chain.ens.binding import BadBinding, Subject, read_binding, verify
from mesh_core.chain.ens.calls import NOBODY
from mesh_core.chain.ens.directory import Found
from mesh_core.chain.ens.records import BINDING, PEER_ID

BOUND = "owner and peer have signed for each other"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the owner of a name and `peer` (64 hexadecimal digits, empty for none) are bound, and why. `issued_s` is when the
    binding was signed, in seconds since 1970, 0 without one."""

    peer: str
    verified: bool
    why: str
    issued_s: int = 0


def judge(found: Found, claimed_by: str, chain_id: int, now_s: float) -> Verdict:
    """Of a name that `claimed_by` claims; empty when nobody does, and the peer in its records counts."""
    named = found.records.get(PEER_ID, "")
    peer = claimed_by or named

    def unverified(why: str) -> Verdict:
        return Verdict(peer, False, why)

    if not found.exists:
        return unverified("it is not on the chain")
    if not named:
        return unverified("its records name no peer")
    try:
        key = parse_peer_id(named)
    except PeerIdError:
        return Verdict(claimed_by, False, "its records name something that is no peer")
    if claimed_by and key.hex() != claimed_by:
        return unverified(f"its records name another peer, {key.hex()[:12]}…")
    if found.long & {PEER_ID, BINDING}:
        return unverified("its records are too long to be read")
    account = found.owner if found.owner != NOBODY else found.addr
    if account == NOBODY:
        return unverified("nobody owns it")
    try:
        binding = read_binding(found.records.get(BINDING, ""))
        verify(Subject(chain_id, found.name.text, account, key), binding, now_s)
    except BadBinding as error:
        return unverified(str(error))
    return Verdict(key.hex(), True, BOUND, binding.issued_s)
