"""Remote servers are asked through the proxy that the environment names, this machine's own never."""

from __future__ import annotations

import asyncio
import datetime
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from mesh_core.work.backends.base import Prompt
from mesh_core.work.backends.http import get
from mesh_core.work.backends.ollama import Ollama
from mesh_core.work.backends.openai import OpenAI
from mesh_core.work.backends.proxy import proxy_for
from mesh_core.work.errors import BackendError
from tests.unit.work.servers import OK, ScriptedServer, chunk, scripted, stream

REMOTE = "models.example"
VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY")


class Relay:
    """A proxy that leads to one server, whatever it is asked for."""

    def __init__(self) -> None:
        self.to: tuple[str, int] = ("127.0.0.1", 0)
        self.answer = b"HTTP/1.1 200 Connection established\r\nVia: test\r\n\r\n"
        self.heads: list[str] = []
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self.heads.append(head.decode())
        there, back = await asyncio.open_connection(*self.to)
        if head.startswith(b"CONNECT "):
            writer.write(self.answer)
        else:
            method, target, rest = head.split(b" ", 2)
            back.write(b" ".join([method, urlsplit(target).path, rest]))
        with suppress(OSError):
            await asyncio.gather(pump(reader, back), pump(there, writer))
        writer.close()


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(4096):
        writer.write(data)
        await writer.drain()
    writer.close()


@pytest.fixture
async def relay(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Relay]:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    made = Relay()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    yield made
    server.close()


def certificate(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """A server's context for REMOTE, and the file to trust."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, REMOTE)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(REMOTE)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context, folder / "cert.pem"


async def test_a_remote_server_is_asked_through_a_tunnel_and_only_it_reads_the_key(
    relay: Relay, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    context, trusted = certificate(tmp_path)
    server = ScriptedServer({"/v1/chat/completions": stream(chunk("Honey."), chunk(None, "stop"))})
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=context)
    relay.to = listening.sockets[0].getsockname()
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    monkeypatch.setenv("HTTPS_PROXY", f"http://user:pass%21@127.0.0.1:{relay.port}")
    monkeypatch.setenv("MODEL_KEY", "the-key")
    backend = OpenAI("openai", f"https://{REMOTE}/v1", "m", "MODEL_KEY")
    async with aclosing(backend.generate(Prompt("what?", ("text",), 1), max_tokens=5)) as pieces:
        assert [piece async for piece in pieces] == ["Honey."]
    [head] = relay.heads
    assert head.splitlines()[:3] == [
        f"CONNECT {REMOTE}:443 HTTP/1.1",
        f"Host: {REMOTE}:443",
        "Proxy-Authorization: Basic dXNlcjpwYXNzIQ==",
    ]
    assert "the-key" not in head
    [(_, headers, _)] = server.requests
    assert headers["authorization"] == "Bearer the-key"
    assert "proxy-authorization" not in headers
    listening.close()


async def test_without_tls_the_proxy_is_told_where_the_request_goes(
    relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", f"127.0.0.1:{relay.port}")
    async with scripted({"/v1/models": OK + "models"}) as server:
        relay.to = ("127.0.0.1", int(server.url.rpartition(":")[2]))
        assert await get(f"http://{REMOTE}:8000/v1/models", {}) == b"models"
    assert relay.heads[0].startswith(f"GET http://{REMOTE}:8000/v1/models HTTP/1.1\r\n")


async def test_a_remote_ollama_is_asked_through_it_too(relay: Relay, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{relay.port}")
    parts = '{"message": {"role": "assistant", "content": "Honey."}, "done": true}\n'
    answers = {"/api/tags": OK + '{"models": [{"name": "m"}]}', "/api/chat": OK + parts}
    async with scripted(answers) as server:
        relay.to = ("127.0.0.1", int(server.url.rpartition(":")[2]))
        backend = Ollama(f"http://{REMOTE}:11434", "m")
        async with aclosing(backend.generate(Prompt("what?", ("text",), 1), max_tokens=5)) as pieces:
            assert [piece async for piece in pieces] == ["Honey."]
    assert len(relay.heads) == 2


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "127.8.9.1", "x.localhost"])
def test_this_machine_is_asked_straight(relay: Relay, monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    assert proxy_for(urlsplit(f"http://{host}:8000/v1")) is None
    assert proxy_for(urlsplit("http://192.0.2.1:8000/v1")) is not None


def test_no_proxy_is_kept_to(relay: Relay, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "10.0.0.1,.inner.example")
    asked: Callable[[str], object] = lambda host: proxy_for(urlsplit(f"https://{host}/v1"))  # noqa: E731
    assert asked("10.0.0.1") is asked("gpu.inner.example") is None
    assert asked(REMOTE) is not None
    assert proxy_for(urlsplit(f"http://{REMOTE}/v1")) is None


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ("socks5://127.0.0.1:1080", "HTTPS_PROXY names no proxy; expected http://HOST:PORT"),
        ("http://127.0.0.1:port", "HTTPS_PROXY names no proxy"),
        ("http://127.0.0.1:1", "nobody answers at proxy 127.0.0.1:1"),
    ],
)
async def test_a_proxy_that_cannot_be_used_is_named(
    relay: Relay, monkeypatch: pytest.MonkeyPatch, named: str, said: str
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", named)
    with pytest.raises(BackendError, match=said):
        await get(f"https://{REMOTE}/v1/models", {})


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "407 Proxy Authentication Required"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "does not connect to models.example:443"),
        (b"", "it says nothing"),
    ],
)
async def test_a_proxy_that_refuses_is_named_with_its_reason(
    relay: Relay, monkeypatch: pytest.MonkeyPatch, answer: bytes, said: str
) -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    monkeypatch.setenv("HTTPS_PROXY", f"http://user:secret@127.0.0.1:{port}")
    with pytest.raises(BackendError, match=said) as caught:
        await get(f"https://{REMOTE}/v1/models", {})
    assert f"proxy 127.0.0.1:{port}" in str(caught.value)
    assert "secret" not in str(caught.value)
    server.close()
