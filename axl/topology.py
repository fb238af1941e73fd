"""What `/topology` shows: the Go node's fields, and what a client that knows this node can use on top."""

from __future__ import annotations

from typing import Any

from axl.inbox import Inbox
from axl.keys import address_of
from axl.link import Link
from axl.neighbours import Neighbours


def topology(neighbours: Neighbours, inbox: Inbox) -> dict[str, Any]:
    """The document, in terms of JSON. Keys are in hexadecimal.

    `root`, `port`, `coords` and `tree` describe Yggdrasil's routing tree; without routing, every node is the
    root and each neighbour one hop below it.
    """
    own = neighbours.peer.hex()
    links = sorted(neighbours.links.values(), key=lambda link: link.peer)
    return {
        "our_ipv6": address_of(neighbours.peer),
        "our_public_key": own,
        "peers": [_peer(link, own, number) for number, link in enumerate(links, start=1)],
        "tree": [_branch(own, own)] + [_branch(link.peer.hex(), own) for link in links],
        "listen": [str(endpoint) for endpoint in neighbours.listens],
        "drops": inbox.dropped,
        "version": neighbours.version,
        "twin": neighbours.twin,
    }


def _peer(link: Link, root: str, port: int) -> dict[str, Any]:
    return {
        "uri": str(link.dialled or link.remote),
        "up": True,
        "inbound": link.dialled is None,
        "public_key": link.peer.hex(),
        "root": root,
        "port": port,
        "coords": [port],
        "attached": link.attached,
    }


def _branch(key: str, parent: str) -> dict[str, Any]:
    return {"public_key": key, "parent": parent, "sequence": 0}
