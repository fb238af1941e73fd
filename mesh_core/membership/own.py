"""What this node says of itself: its current `Alive` statement."""

from __future__ import annotations

from dataclasses import dataclass

from mesh_core.context import Context
from mesh_core.identity.statement import sign
from mesh_core.wire.messages import Update
from mesh_core.wire.statements import Alive, Announcement

INCARNATIONS_PER_BOOT_BITS = 20


@dataclass(eq=False)
class OwnStatement:
    """Incarnations never go back: they begin at boot · 2^20, and the boot counter is on disk before a start.

    So nothing is written for a refutation, and a restarted node at once outbids what was said of its former life.
    """

    _context: Context

    def __post_init__(self) -> None:
        config = self._context.config
        self.incarnation = self._context.boot << INCARNATIONS_PER_BOOT_BITS
        self.announcement = config.announcement
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
        alive = Alive(
            self._context.config.network, self._context.me, self.incarnation, self.announcement, self.left
        )
        return Update("alive", sign(self._context.crypto, alive))
