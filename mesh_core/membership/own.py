"""What this node says of itself: its current `Alive` statement."""

from __future__ import annotations

from mesh_core.effects import PeerId
from mesh_core.identity.crypto import Crypto
from mesh_core.identity.statement import sign
from mesh_core.wire.messages import Update
from mesh_core.wire.statements import Alive, Announcement

INCARNATIONS_PER_BOOT_BITS = 20


class OwnStatement:
    """Incarnations never go back: they begin at boot · 2^20, and the boot counter is on disk before a start.

    So nothing is written for a refutation, and a restarted node at once outbids what was said of its former life.
    """

    def __init__(
        self, me: PeerId, network: str, crypto: Crypto, announcement: Announcement, boot: int
    ) -> None:
        self._me = me
        self._network = network
        self._crypto = crypto
        self.incarnation = boot << INCARNATIONS_PER_BOOT_BITS
        self.announcement = announcement
        self.left = False
        self.update = self._sign()

    def outbid(self, incarnation: int) -> None:
        """Move past `incarnation`, and past the current one."""
        self.incarnation = max(self.incarnation, incarnation) + 1
        self.update = self._sign()

    def announce(self, announcement: Announcement) -> None:
        """Say something else of this node from now on."""
        self.announcement = announcement
        self.outbid(self.incarnation)

    def leave(self) -> None:
        """Say that this node goes on purpose."""
        self.left = True
        self.outbid(self.incarnation)

    def _sign(self) -> Update:
        alive = Alive(self._network, self._me, self.incarnation, self.announcement, self.left)
        return Update("alive", sign(self._crypto, alive))
