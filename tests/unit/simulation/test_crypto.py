"""The stand-in for cryptography keeps the promises of the real one."""

import pytest

from mesh_core.crypto import SecrecyError
from mesh_core.simulation.crypto import KeyMaterial, SealedCrypto, Vault


@pytest.fixture
def vault() -> Vault:
    return Vault("seed")


def door(vault: Vault, name: str) -> SealedCrypto:
    return SealedCrypto(vault, vault.key(name))


def test_a_signature_is_valid_for_its_author_and_bytes_only(vault: Vault) -> None:
    signature = door(vault, "alice").sign(b"data")
    bob = door(vault, "bob")
    assert bob.verify(vault.key("alice"), b"data", signature)
    assert not bob.verify(vault.key("bob"), b"data", signature)
    assert not bob.verify(vault.key("alice"), b"other", signature)
    assert not bob.verify(b"unknown", b"data", signature)


def test_only_the_recipient_opens_what_was_sealed(vault: Vault) -> None:
    sealed = door(vault, "alice").seal(vault.key("bob"), b"data")
    assert door(vault, "bob").open(sealed) == b"data"
    with pytest.raises(SecrecyError):
        door(vault, "alice").open(sealed)
    with pytest.raises(SecrecyError):
        door(vault, "bob").open(sealed[:-1] + bytes([sealed[-1] ^ 1]))
    with pytest.raises(SecrecyError):
        door(vault, "bob").open(b"")


def test_sealing_the_same_twice_gives_different_bytes(vault: Vault) -> None:
    alice = door(vault, "alice")
    assert alice.seal(vault.key("bob"), b"data") != alice.seal(vault.key("bob"), b"data")


def test_encryption_needs_the_same_secret_and_unaltered_data(vault: Vault) -> None:
    alice = door(vault, "alice")
    secret = alice.new_secret()
    hidden = alice.encrypt(secret, b"words")
    assert b"words" not in hidden
    assert alice.decrypt(secret, hidden) == b"words"
    with pytest.raises(SecrecyError):
        alice.decrypt(alice.new_secret(), hidden)
    with pytest.raises(SecrecyError):
        alice.decrypt(secret, hidden[:-1] + bytes([hidden[-1] ^ 1]))


def test_a_threshold_of_different_shares_gives_the_secret_and_fewer_give_garbage(vault: Vault) -> None:
    alice = door(vault, "alice")
    secret = alice.new_secret()
    shares = alice.split(secret, 3, 5)
    assert alice.combine(shares[1:4]) == secret
    assert alice.combine(shares) == secret
    assert alice.combine(shares[:2]) != secret
    assert alice.combine([shares[0]] * 3) != secret
    assert alice.combine([*shares[:2], b"not a share"]) != secret


def test_the_vault_tells_who_gets_key_material(vault: Vault) -> None:
    heard: list[KeyMaterial] = []
    vault.on_key_material = heard.append
    alice = door(vault, "alice")
    secret = alice.new_secret()
    shares = alice.split(secret, 1, 2)
    alice.seal(vault.key("bob"), shares[1])
    alice.seal(vault.key("carol"), secret)
    alice.seal(vault.key("carol"), b"something else")
    assert [(material.recipient, material.share) for material in heard] == [
        (vault.key("bob"), 2),
        (vault.key("carol"), None),
    ]


def test_two_vaults_of_one_seed_agree_and_of_two_seeds_do_not() -> None:
    first, again, other = (Vault(seed) for seed in ("a", "a", "b"))
    assert first.key("node1") == again.key("node1") != other.key("node1")
    assert door(first, "node1").new_secret() == door(again, "node1").new_secret()
