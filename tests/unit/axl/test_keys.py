"""PEM ⇄ peer id, addresses, signatures."""

from __future__ import annotations

import errno
import stat
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from axl import keys
from axl.keys import KeyFileError, PeerIdError


def test_a_made_key_is_readable_by_its_owner_only_and_loads_again(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    made = keys.make(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert keys.load(path) == made


def test_making_a_key_never_overwrites_one(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    first = keys.make(path)
    with pytest.raises(KeyFileError, match="never overwritten"):
        keys.make(path)
    assert keys.load(path) == first


def test_a_key_made_by_openssl_is_read_as_openssl_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", path], check=True)
    public = subprocess.run(
        ["openssl", "pkey", "-in", path, "-pubout", "-outform", "DER"], check=True, capture_output=True
    ).stdout
    key = keys.load(path)
    assert key.peer == public[-32:]
    assert key.pem() == path.read_bytes()


def test_a_key_file_with_its_public_half_appended_is_read() -> None:
    key = keys.generate()
    prefix = bytes.fromhex("3051020101300506032b657004220420")
    assert keys.from_pem(_pem("PRIVATE KEY", prefix + key.seed + b"\x81\x21\x00" + key.peer)) == key
    with pytest.raises(KeyFileError, match="does not belong"):
        keys.from_pem(_pem("PRIVATE KEY", prefix + key.seed + b"\x81\x21\x00" + bytes(32)))


def test_what_is_no_ed25519_key_is_refused_in_one_line_that_says_why(tmp_path: Path) -> None:
    elliptic = ec.generate_private_key(ec.SECP256R1())
    edwards = ed25519.Ed25519PrivateKey.generate()
    pkcs8, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    cases = {
        elliptic.private_bytes(serialization.Encoding.PEM, pkcs8, plain): "no ed25519 key",
        elliptic.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, plain
        ): "EC PRIVATE KEY",
        edwards.private_bytes(
            serialization.Encoding.PEM, pkcs8, serialization.BestAvailableEncryption(b"x")
        ): "encrypted",
        edwards.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        ): "PUBLIC KEY",
        b"": "no PEM block",
        b"\xff\x00": "no PEM block",
        keys.generate().pem()[:-30]: "no PEM block",
        keys.generate().pem().replace(b"MC4C", b"MC4="): "damaged",
        keys.generate().pem().replace(b"\nMC4C", b"\nAAAA"): "no ed25519 key",
    }
    path = tmp_path / "key.pem"
    for content, reason in cases.items():
        path.write_bytes(content)
        with pytest.raises(KeyFileError, match=reason) as caught:
            keys.load(path)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_missing_or_unreadable_key_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match=r"nowhere\.pem does not exist; make one with"):
        keys.load(tmp_path / "nowhere.pem")
    with pytest.raises(KeyFileError, match="cannot be read"):
        keys.load(tmp_path)
    with pytest.raises(KeyFileError, match="cannot be written"):
        keys.make(tmp_path / "no" / "such" / "folder.pem")


def test_signatures_are_those_of_rfc_8032() -> None:
    # RFC 8032 §7.1, test 2.
    key = keys.from_seed(bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb"))
    assert key.peer.hex() == "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
    signature = key.sign(b"\x72")
    assert signature.hex().startswith("92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da")
    assert keys.verify(key.peer, b"\x72", signature)


def test_a_signature_is_nobody_elses_and_over_nothing_else() -> None:
    key, other = keys.generate(), keys.generate()
    signature = key.sign(b"words")
    assert not keys.verify(other.peer, b"words", signature)
    assert not keys.verify(key.peer, b"other words", signature)
    assert not keys.verify(key.peer, b"words", signature[:-1])
    assert not keys.verify(key.peer[:-1], b"words", signature)
    assert not keys.verify(bytes(32), b"words", bytes(64))


def test_the_secret_is_not_shown_by_accident() -> None:
    key = keys.generate()
    assert key.seed.hex() not in repr(key)
    assert repr(key.seed) not in repr(key)


def test_a_peer_id_is_64_hexadecimal_characters() -> None:
    key = keys.generate()
    assert keys.parse_peer_id(key.peer.hex().upper()) == key.peer
    for text in ("", "ab", "zz" * 32, "ab" * 33, " " + "ab" * 32, "ab" * 32 + "\n"):
        with pytest.raises(PeerIdError, match="64 hexadecimal"):
            keys.parse_peer_id(text)


def test_the_address_of_a_key_is_yggdrasils() -> None:
    # The vector of yggdrasil-go, src/address/address_test.go.
    peer = bytes.fromhex("bdbacfd82240de3dcd123924cbb55256fb8dab08aa98e305528ab84f419e6efb")
    assert keys.address_of(peer) == "200:848a:604f:bb7e:4384:65db:8db6:6895"


def test_leading_zero_bits_of_a_key_are_counted_in_its_address() -> None:
    assert keys.address_of(bytes(4) + b"\xff" * 28) == "220::"
    assert keys.address_of(b"\x00\x40" + b"\xff" * 30).startswith("209:")
    assert keys.address_of(bytes(31) + b"\x01") == "2ff::"


def _pem(label: str, der: bytes) -> bytes:
    import base64

    body = base64.encodebytes(der).decode()
    return f"-----BEGIN {label}-----\n{body}-----END {label}-----\n".encode()


def test_a_key_that_does_not_fit_on_the_disk_leaves_no_half_of_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("axl.keys.os.fsync", full)
    with pytest.raises(KeyFileError, match="No space left"):
        keys.make(tmp_path / "key.pem")
    assert not list(tmp_path.iterdir())
