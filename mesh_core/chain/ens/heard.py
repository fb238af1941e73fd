"""What the mesh says: members, what they announce and which names they claim, from whichever control API answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import aclosing, suppress

import msgspec
from msgspec import Struct

from mesh_core.api.client import ControlClient, ControlError, ControlUnavailable
from mesh_core.api.schema import MemberView
from mesh_core.chain.ens.records import Announced
from mesh_core.chain.ens.schema import NAMES_MAX

VIEW_PERIOD_MS = 500
RETRY_S = 1.0


class Member(Struct, frozen=True):
    """One member, as far as names go. `claims` is the name that it says it has, empty for none."""

    claims: str
    left: bool
    announced: Announced


class Heard:
    """Follows one control API after the other, as long as each answers. `changed` is called when something that matters to
    names has changed."""

    def __init__(self, controls: Sequence[str], token: str, changed: Callable[[], None]) -> None:
        self._controls = controls
        self._token = token
        self._changed = changed
        self.members: dict[str, Member] = {}

    async def follow(self) -> None:
        """For ever."""
        while True:
            for url in self._controls:
                with suppress(ControlUnavailable, ControlError):
                    client = ControlClient(url, self._token, view_period_ms=VIEW_PERIOD_MS)
                    async with aclosing(client.events()) as events:
                        async for event in events:
                            if event.kind == "member":
                                self.hear(event.data)
            await asyncio.sleep(RETRY_S)

    def hear(self, data: object) -> None:
        """One view of a member; what is none is passed over."""
        try:
            view = msgspec.convert(data, MemberView)
        except msgspec.ValidationError:
            return
        announced = Announced(tuple(view.capabilities), view.price_micro, tuple(view.shards))
        member = Member(view.ens_name, view.state == "left", announced)
        if self.members.get(view.peer) == member:
            return
        if view.peer not in self.members and len(self.members) >= 2 * NAMES_MAX:
            self.members.pop(next(iter(self.members)))
        self.members[view.peer] = member
        self._changed()
