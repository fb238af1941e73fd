"""TLS 1.3 identity of a node: a self-signed certificate that is nothing but a wrapping for its ed25519 key.

Every certificate of this software has the same bytes except key and signature. Reading a key is therefore a
comparison of bytes: no certificate parser sees what a stranger sent, and none has to agree with OpenSSL's.
That the other side owns the key is proven by TLS itself (RFC 8446 §4.4.3); that it is the *right* key is
for the caller to compare.
"""

from __future__ import annotations

import base64
import os
import ssl

from axl.keys import PEER_ID_BYTES, SIGNATURE_BYTES, PrivateKey

_SEQUENCE = 0x30
_SET = 0x31
_INTEGER = 0x02
_BIT_STRING = 0x03
_OBJECT_ID = 0x06
_UTF8_STRING = 0x0C
_UTC_TIME = 0x17
_GENERALIZED_TIME = 0x18


class CertificateError(Exception):
    """The other side of a TLS connection showed a certificate that no AXL node makes."""


def _der(tag: int, *parts: bytes) -> bytes:
    """One DER element (X.690 §8.1) of less than 64 KiB."""
    content = b"".join(parts)
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    if size < 0x100:
        return bytes([tag, 0x81, size]) + content
    return bytes([tag, 0x82]) + size.to_bytes(2) + content


_ED25519 = _der(_SEQUENCE, _der(_OBJECT_ID, bytes([0x2B, 101, 112])))
_COMMON_NAME = _der(_OBJECT_ID, bytes([0x55, 4, 3]))
_NAME = _der(_SEQUENCE, _der(_SET, _der(_SEQUENCE, _COMMON_NAME, _der(_UTF8_STRING, b"axl"))))
# RFC 5280 §4.1.2.5: a certificate without a meaningful end ends in the year 9999.
_VALIDITY = _der(_SEQUENCE, _der(_UTC_TIME, b"700101000000Z"), _der(_GENERALIZED_TIME, b"99991231235959Z"))


def _signed_part(peer: bytes) -> bytes:
    serial = _der(_INTEGER, b"\x01")
    key = _der(_SEQUENCE, _ED25519, _der(_BIT_STRING, b"\x00", peer))
    return _der(_SEQUENCE, serial, _ED25519, _NAME, _VALIDITY, _NAME, key)


def _assemble(peer: bytes, signature: bytes) -> bytes:
    return _der(_SEQUENCE, _signed_part(peer), _ED25519, _der(_BIT_STRING, b"\x00", signature))


_BLANK = _assemble(bytes(PEER_ID_BYTES), bytes(SIGNATURE_BYTES))
_SIGNATURE_AT = len(_BLANK) - SIGNATURE_BYTES
_KEY_AT = (
    _BLANK.index(_signed_part(bytes(PEER_ID_BYTES))) + len(_signed_part(bytes(PEER_ID_BYTES))) - PEER_ID_BYTES
)


def certificate_of(key: PrivateKey) -> bytes:
    """The certificate of `key` in DER: always the same for the same key."""
    return _assemble(key.peer, key.sign(_signed_part(key.peer)))


def key_in(certificate: bytes | None) -> bytes:
    """The peer id in another node's certificate. Raises CertificateError."""
    if certificate is None:
        raise CertificateError("it showed no certificate")
    key_end = _KEY_AT + PEER_ID_BYTES
    if (
        len(certificate) != len(_BLANK)
        or certificate[:_KEY_AT] != _BLANK[:_KEY_AT]
        or certificate[key_end:_SIGNATURE_AT] != _BLANK[key_end:_SIGNATURE_AT]
    ):
        raise CertificateError("its certificate is not one an AXL node makes")
    return certificate[_KEY_AT:key_end]


def server_context(key: PrivateKey) -> ssl.SSLContext:
    """TLS 1.3 for the side that listens, showing the certificate of `key`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.num_tickets = 0  # links stay open: nobody ever resumes a session
    encoded = base64.encodebytes(certificate_of(key))
    pem = b"-----BEGIN CERTIFICATE-----\n" + encoded + b"-----END CERTIFICATE-----\n"
    # The ssl module reads key and certificate from files only. A pipe is a file that never touches a disk.
    certificate_end, key_end = _pipe_with(pem), _pipe_with(key.pem())
    try:
        context.load_cert_chain(f"/dev/fd/{certificate_end}", f"/dev/fd/{key_end}")
    finally:
        os.close(certificate_end)
        os.close(key_end)
    return context


def client_context() -> ssl.SSLContext:
    """TLS 1.3 for the side that dials. It takes any certificate: the link compares the key in it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _pipe_with(content: bytes) -> int:
    """The read end of a pipe that holds `content` (far less than a pipe's 4 KiB atomic size) and then ends."""
    read_end, write_end = os.pipe()
    os.write(write_end, content)
    os.close(write_end)
    return read_end
