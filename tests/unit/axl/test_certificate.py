"""The certificate around a node's key."""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519
from hypothesis import given
from hypothesis import strategies as st

from axl import keys
from axl.certificate import CertificateError, certificate_of, key_in

KEY = keys.from_seed(bytes(range(32)))


def test_a_certificate_says_to_others_what_it_says_to_us() -> None:
    parsed = x509.load_der_x509_certificate(certificate_of(KEY))
    public = parsed.public_key()
    assert isinstance(public, ed25519.Ed25519PublicKey)
    assert public.public_bytes_raw() == key_in(certificate_of(KEY)) == KEY.peer
    public.verify(parsed.signature, parsed.tbs_certificate_bytes)
    assert parsed.not_valid_after_utc.year == 9999


def test_the_same_key_has_the_same_certificate() -> None:
    assert certificate_of(KEY) == certificate_of(KEY)


@given(st.integers(0, len(certificate_of(KEY)) - 1), st.integers(1, 255))
def test_an_altered_certificate_is_refused_or_names_another_key(position: int, change: int) -> None:
    altered = bytearray(certificate_of(KEY))
    altered[position] ^= change
    try:
        found = key_in(bytes(altered))
    except CertificateError:
        return
    in_signature = position >= len(altered) - keys.SIGNATURE_BYTES
    assert (found != KEY.peer) != in_signature


@given(st.none() | st.binary(max_size=400))
def test_what_is_no_certificate_of_ours_is_refused(certificate: bytes | None) -> None:
    with pytest.raises(CertificateError):
        key_in(certificate)
