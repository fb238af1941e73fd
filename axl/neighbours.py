"""The peers this node has links to: at most one link each, who is told what, and where messages leave.

Two links between the same two keys are resolved without a third party, by both sides alike: a link that is
up stays (it is probed, so that a dead one makes way), unless the other side's process is a new one; of two
dials under way at the same time the one by the smaller key stays. A process that comes back after a newer one took its
place shows that two run with one key: it is told so.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable

from axl.book import PEERS_MAX, AddressBook
from axl.control import INSTANCE_BYTES, Neighbour, Refusal
from axl.dialer import Dialer
from axl.endpoint import Endpoint
from axl.inbox import Inbox
from axl.keys import PrivateKey
from axl.link import UNACKNOWLEDGED_BYTES_MAX, Link, Waiter

LINK_WAIT_S = 0.3
"""How long a message may wait for a link that is being made."""
SWEEP_PERIOD_S = 1.0
IN_USE_S = 5.0
"""A link over which the client has sent something so recently is not given up for another one."""

log = logging.getLogger("axl")


class Neighbours:
    """All links of a node, and what keeps them."""

    def __init__(self, key: PrivateKey, inbox: Inbox, message_bytes_max: int, links_max: int) -> None:
        self.key = key
        self.instance = os.urandom(INSTANCE_BYTES)
        self.message_bytes_max = message_bytes_max
        self.links: dict[bytes, Link] = {}
        self.listens: tuple[Endpoint, ...] = ()
        self.attached = False
        self.version = time.time_ns() // 1_000_000
        """Grows with every change of what `/topology` shows. Starts at the clock, so that a client which
        remembers a number from before a restart never takes it for the present one."""
        self.on_change: Callable[[], None] = _nobody_watches
        """Called after each growth of `version`."""
        self._inbox = inbox
        self._links_max = links_max
        self._greeting: dict[bytes, Link] = {}
        """Links this side dialled and sent its hello on: the other side is about to decide."""
        self._waiting: dict[bytes, list[tuple[bytes, Waiter]]] = {}
        """Messages for peers to which a link is being made: each is a request of the bridge that is not answered."""
        self._waiting_bytes = 0
        self.twin = ""
        """Where another process with this node's key was noticed; empty as long as none was."""
        self._replaced: dict[bytes, bytes] = {}
        """The process of a peer whose link a newer process of that peer has taken over, by peer."""
        self._book = AddressBook()
        self._dialer = Dialer(self, self._book)
        self._loop = asyncio.get_running_loop()
        self._sweeper = self._loop.call_later(SWEEP_PERIOD_S, self._sweep)

    @property
    def peer(self) -> bytes:
        """This node's key."""
        return self.key.peer

    @property
    def is_full(self) -> bool:
        """Whether there is no room for further neighbours."""
        return len(self.links) >= self._links_max

    def keep(self, endpoint: Endpoint) -> None:
        """Stay linked with whoever is at a configured endpoint."""
        self._dialer.keep_configured(endpoint)

    def close(self) -> None:
        """End all links."""
        self._sweeper.cancel()
        for link in list(self.links.values()):
            link.close("this node is going down")
        self._dialer.close()  # last: every link that ends wakes it

    # ----------------------------------------------------------------------------------------- messages

    def send(self, peer: bytes, body: bytes, waiter: Waiter) -> None:
        """Send `body` to `peer`; `waiter` learns, soon in any case, whether it is in that node's inbox."""
        link = self.links.get(peer)
        if link is not None:
            link.send(body, waiter)
        elif peer == self.peer:
            self._inbox.put(peer, body)
            waiter.sent()
        elif self._dialer.is_dialling(peer):
            self._wait_for_link(peer, body, waiter)
        else:
            waiter.failed(self._why_not_linked(peer))

    def _wait_for_link(self, peer: bytes, body: bytes, waiter: Waiter) -> None:
        if self._waiting_bytes + len(body) > UNACKNOWLEDGED_BYTES_MAX and self._waiting_bytes:
            waiter.failed(f"{self._waiting_bytes} bytes already wait for links that are being made")
            return
        if peer not in self._waiting:
            self._waiting[peer] = []
            self._loop.call_later(LINK_WAIT_S, self.stop_waiting, peer)
        self._waiting[peer].append((body, waiter))
        self._waiting_bytes += len(body)

    def stop_waiting(self, peer: bytes) -> None:
        """Send what waited for a link to `peer`; without one, say that it cannot be sent."""
        link = self.links.get(peer)
        for body, waiter in self._waiting.pop(peer, ()):
            self._waiting_bytes -= len(body)
            if link is not None:
                link.send(body, waiter)
            else:
                waiter.failed(self._why_not_linked(peer))

    def _why_not_linked(self, peer: bytes) -> str:
        return self._dialer.problem(peer) or "it is not a neighbour of this node"

    def deliver(self, sender: bytes, body: bytes) -> None:
        """Put a neighbour's message into the inbox."""
        self._inbox.put(sender, body)

    # -------------------------------------------------------------------------------------------- links

    def new_link(self, dialled: Endpoint | None = None, expected: bytes | None = None) -> Link:
        """The protocol for a new connection: one this node opens, or one it accepts."""
        return Link(self, dialled, expected)

    def refusal(self, link: Link) -> Refusal | None:
        """Why a link whose other side has just shown its key is not wanted; None if it is."""
        if link.peer == self.peer:
            if link.instance != self.instance:
                self._notice_twin(f"at {(link.dialled or link.remote).authority}")
            return Refusal.SAME_NODE
        standing = self.links.get(link.peer)
        if standing is not None and link.instance == self._replaced.get(link.peer):
            standing.probe()
            log.warning("two nodes run with one key", extra={"peer": link.peer.hex(), "at": str(link.remote)})
            return Refusal.TWIN
        if standing is not None and standing.instance == link.instance:
            standing.probe()
            return Refusal.LINKED
        if link.dialled is not None:
            if link.peer in self._greeting:
                return Refusal.CROSSED
            self._greeting[link.peer] = link
        elif link.peer in self._greeting and self.peer < link.peer:
            return Refusal.CROSSED
        elif self.is_full and standing is None and not self._make_room():
            return Refusal.FULL
        return None

    def _make_room(self) -> bool:
        """End the link this node's client has not used for longest, unless all are in use.

        Keys cost nothing: whoever fills every place with links of its own would else keep out a neighbour that
        was away for a moment.
        """
        accepted = [link for link in self.links.values() if link.dialled is None]
        unused = min(accepted, key=lambda link: link.used_at, default=None)
        if unused is None or self._loop.time() - unused.used_at < IN_USE_S:
            return False
        unused.close("another neighbour needs its place")
        return True

    def refused(self, link: Link, refusal: Refusal) -> None:
        """A peer does not want a link to this node."""
        if refusal is Refusal.TWIN:
            self._notice_twin(f"by {link.peer.hex()}")

    def _notice_twin(self, where: str) -> None:
        if not self.twin:
            self.twin = where
            log.warning("another node runs with this node's key", extra={"noticed": where})
            self._changed()

    def link_up(self, link: Link) -> None:
        """A link carries messages from now on."""
        standing = self.links.get(link.peer)
        if standing is not None:
            if standing.instance != link.instance:
                self._replaced[link.peer] = standing.instance
                if len(self._replaced) > PEERS_MAX:
                    del self._replaced[next(iter(self._replaced))]
            standing.close("replaced by a newer process with the same key")
        peer = link.peer
        entry = self._book.get(peer)
        is_news = entry is None or not entry.is_spoken_of
        self.links[peer] = link
        endpoints = _reachable(link)
        self._book.linked(peer, endpoints)
        self._dialer.link_changed(peer)
        link.tell_attached(self.attached)  # it may have changed since the handshake said so
        self._introduce(link, endpoints, is_news)
        self.stop_waiting(peer)
        log.info(
            "link up", extra={"peer": peer.hex(), "remote": str(link.remote), "dialled": bool(link.dialled)}
        )
        self._changed()

    def link_down(self, link: Link, reason: str) -> None:
        """A link carries nothing any more."""
        peer = link.peer
        if self.links.get(peer) is not link:
            return
        del self.links[peer]
        entry = self._book.get(peer)
        if entry is not None:
            entry.is_spoken_of = False
            self._dialer.keep_known(entry)
        log.info("link down", extra={"peer": peer.hex(), "reason": reason})
        self._changed()

    def dial_ended(self, link: Link) -> None:
        """One attempt to open `link` is over, with success or without."""
        if self._greeting.get(link.peer) is link:
            del self._greeting[link.peer]

    # ------------------------------------------------------------------------------------- introductions

    def _introduce(self, link: Link, endpoints: tuple[Endpoint, ...], is_news: bool) -> None:
        """Tell a new neighbour where the others listen, and them where it does.

        Those who listen hear of it only from whoever met it first: the newcomer is told of them by everyone
        and dials them itself. So a mesh of N forms with O(N²) introductions rather than O(N³).
        """
        others = [other for other in self.links.values() if other is not link]
        known = [Neighbour(other.peer, _shareable(self._endpoints_of(other.peer), link)) for other in others]
        link.tell_of([neighbour for neighbour in known if neighbour.endpoints])
        for other in others:
            shared = _shareable(endpoints, other)
            if shared and (is_news or not other.listens):
                other.tell_of([Neighbour(link.peer, shared)])

    def _endpoints_of(self, peer: bytes) -> tuple[Endpoint, ...]:
        entry = self._book.get(peer)
        return entry.own if entry is not None else ()

    def told_of(self, link: Link, neighbours: list[Neighbour]) -> None:
        """A neighbour says where others listen."""
        for neighbour in neighbours:
            endpoints = _shareable(neighbour.endpoints, link)
            if neighbour.peer == self.peer or neighbour.peer in self.links or not endpoints:
                continue
            entry = self._book.told(link.peer, neighbour.peer, endpoints)
            if entry is not None:
                self._dialer.keep_known(entry)

    # ----------------------------------------------------------------------------------------- presence

    def set_attached(self, attached: bool) -> None:
        """The client at this node came or went: every neighbour is told at once."""
        self.attached = attached
        for link in self.links.values():
            link.tell_attached(attached)

    def attached_changed(self, _link: Link) -> None:
        """The client at a neighbour came or went."""
        self._changed()

    def _changed(self) -> None:
        self.version += 1
        self.on_change()

    def _sweep(self) -> None:
        now = self._loop.time()
        for link in list(self.links.values()):
            link.sweep(now)
        self._sweeper = self._loop.call_later(SWEEP_PERIOD_S, self._sweep)


def _reachable(link: Link) -> tuple[Endpoint, ...]:
    """Where the neighbour listens, with the host it is seen at in place of "every interface"."""
    said = (Endpoint(link.remote.host, one.port) if one.is_wildcard else one for one in link.listens)
    return _shareable(tuple(said), link)


def _shareable(endpoints: tuple[Endpoint, ...], link: Link) -> tuple[Endpoint, ...]:
    """Those that mean the same on both sides of `link`: loopback is between nodes of one machine only."""
    local = link.remote.is_loopback
    return tuple(one for one in endpoints if not one.is_wildcard and (local or not one.is_loopback))


def _nobody_watches() -> None:
    """Until someone watches, a change is only a number."""
