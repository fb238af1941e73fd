"""A binding holds for one peer, one account, one name and one chain, for a time; everything else is refused in words."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_keys.datatypes import PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from axl.keys import from_seed
from mesh_core.chain.ens.binding import (
    AGE_S_MAX,
    AHEAD_S_MAX,
    BINDING_BYTES,
    DOMAIN,
    BadBinding,
    Binding,
    Subject,
    bind,
    digest,
    read_binding,
    typed_data,
    verify,
)
from mesh_core.identity.statement import KINDS

NOW_S = 1_800_000_000
OWNER, OTHER = PrivateKey(b"\1" * 32), PrivateKey(b"\2" * 32)
PEER, STRANGER = from_seed(b"\3" * 32), from_seed(b"\4" * 32)
SUBJECT = Subject(31_337, "node1.axl.eth", OWNER.public_key.to_canonical_address(), PEER.peer)


def binding(subject: Subject = SUBJECT, issued_s: int = NOW_S) -> Binding:
    return bind(subject, issued_s, OWNER, PEER.sign)


def test_both_signatures_hold_and_survive_the_text_record() -> None:
    made = read_binding(binding().text())
    assert made == binding()
    assert len(made.by_account + made.by_peer) == BINDING_BYTES == 129
    verify(SUBJECT, made, NOW_S)


def test_the_digest_is_the_one_wallets_sign() -> None:
    signable = encode_typed_data(full_message=typed_data(SUBJECT, NOW_S))
    account = Account.from_key(OWNER.to_bytes())
    assert account.sign_message(signable).signature == binding().by_account
    assert Account.sign_typed_data(
        OWNER.to_bytes(), full_message=typed_data(SUBJECT, NOW_S)
    ).message_hash == digest(SUBJECT, NOW_S)


@pytest.mark.parametrize(
    "subject",
    [
        replace(SUBJECT, peer=STRANGER.peer),
        replace(SUBJECT, account=OTHER.public_key.to_canonical_address()),
        replace(SUBJECT, name="node2.axl.eth"),
        replace(SUBJECT, chain_id=1),
    ],
)
def test_a_binding_that_was_copied_to_another_peer_owner_name_or_chain_does_not_hold(
    subject: Subject,
) -> None:
    with pytest.raises(BadBinding, match="not signed by the account that owns it"):
        verify(subject, binding(), NOW_S)


def test_an_owner_alone_cannot_claim_a_peer() -> None:
    one_sided = bind(SUBJECT, NOW_S, OWNER, STRANGER.sign)
    with pytest.raises(BadBinding, match="not signed by the peer"):
        verify(SUBJECT, one_sided, NOW_S)


def test_a_peer_alone_cannot_claim_a_name() -> None:
    one_sided = bind(SUBJECT, NOW_S, OTHER, PEER.sign)
    with pytest.raises(BadBinding, match="not signed by the account"):
        verify(SUBJECT, one_sided, NOW_S)


def test_a_date_cannot_be_changed_afterwards() -> None:
    with pytest.raises(BadBinding, match="not signed by the account"):
        verify(SUBJECT, replace(binding(), issued_s=NOW_S + 1), NOW_S)


def test_a_stale_binding_and_one_from_the_future_do_not_count() -> None:
    verify(SUBJECT, binding(), NOW_S + AGE_S_MAX)
    verify(SUBJECT, binding(), NOW_S - AHEAD_S_MAX)
    with pytest.raises(BadBinding, match="stale"):
        verify(SUBJECT, binding(), NOW_S + AGE_S_MAX + 1)
    with pytest.raises(BadBinding, match="future"):
        verify(SUBJECT, binding(), NOW_S - AHEAD_S_MAX - 1)


def test_the_other_signature_of_the_same_key_is_refused() -> None:
    """Of a signature (r, s) anybody can make (r, -s): two texts for one binding."""
    order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
    good = binding().by_account
    turned = good[:32] + (order - int.from_bytes(good[32:64])).to_bytes(32) + bytes([55 - good[64]])
    assert (
        Account.recover_message(encode_typed_data(full_message=typed_data(SUBJECT, NOW_S)), signature=good)
        == Account.from_key(OWNER.to_bytes()).address
    )
    with pytest.raises(BadBinding, match="not signed by the account"):
        verify(SUBJECT, replace(binding(), by_account=turned), NOW_S)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0x",
        "2." + binding().text()[2:],
        binding().text() + "00",
        binding().text().upper(),
        "1.٣." + "0" * 258,
        "1." * 1_000_000,
    ],
)
def test_what_is_no_binding_is_refused_in_words(text: str) -> None:
    with pytest.raises(BadBinding, match=r"has no binding|not one that can be read"):
        read_binding(text)


@given(st.binary(min_size=BINDING_BYTES, max_size=BINDING_BYTES))
def test_no_bytes_but_the_two_keys_make_a_binding(noise: bytes) -> None:
    with pytest.raises(BadBinding):
        verify(SUBJECT, read_binding(f"1.{NOW_S}.{noise.hex()}"), NOW_S)


def test_nothing_that_the_mesh_signs_begins_like_a_binding() -> None:
    """A statement is signed behind `whisper:KIND`, a zero byte after it: no kind is called so."""
    assert DOMAIN.removeprefix(b"whisper:").rstrip(b"\0").decode() not in KINDS.values()


def test_verifying_takes_well_under_a_millisecond() -> None:
    made = binding()
    verify(SUBJECT, made, NOW_S)

    def once_ms() -> float:
        began = time.perf_counter()
        verify(SUBJECT, made, NOW_S)
        return (time.perf_counter() - began) * 1000

    assert min(once_ms() for _ in range(20)) < 1.0
