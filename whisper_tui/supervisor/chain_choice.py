"""Which chain names are on: one of this machine's own, a network elsewhere, or none."""

from __future__ import annotations

from urllib.parse import urlsplit

from whisper_tui.errors import BadInput

LOCAL, ANVIL, SEPOLIA, MAINNET, OFF = "local", "anvil", "sepolia", "mainnet", "off"
STARTED_HERE = (LOCAL, ANVIL)
NETWORKS = (SEPOLIA, MAINNET)
"""Asked at the node whose URL is in the environment: it often has a key in it."""

WORDS = (*STARTED_HERE, *NETWORKS, OFF)


def read_chain(word: str) -> str:
    """Which one was asked for with `--chain`; BadInput for what is none."""
    if word in WORDS:
        return word
    try:
        place = urlsplit(word)
        if place.scheme in ("http", "https") and place.hostname and place.port != 0:
            return word
    except ValueError:
        pass  # no port, or no address
    raise BadInput(f"--chain {word[:80]}: expected {', '.join(WORDS)} or the http(s) URL of a node")


def chain_shown(chain: str) -> str:
    """For people. Of a URL only where it leads: what follows is often a key."""
    return chain if chain in WORDS else f"at {urlsplit(chain).hostname}"


def chain_url(chain: str, port: int) -> str:
    """Where it answers, empty when there is none or the environment says it; `port` is the one of a chain that is started
    here."""
    if chain == OFF or chain in NETWORKS:
        return ""
    return f"http://127.0.0.1:{port}" if chain in STARTED_HERE else chain
