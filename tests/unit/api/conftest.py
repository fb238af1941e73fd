"""A control API on a free port with a fake participant behind it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from mesh_core.api.hub import EventHub
from mesh_core.api.server import ControlServer
from tests.unit.api.participants import PEER, TOKEN, FakeParticipant, Things


@dataclass
class Running:
    """A served participant."""

    participant: FakeParticipant
    hub: EventHub
    things: Things
    server: ControlServer

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.port}"


@pytest.fixture
async def running() -> AsyncIterator[Running]:
    participant, things = FakeParticipant(), Things(a=1, b=2)
    hub = EventHub(PEER, 3, things, lambda: 5.0)
    server = ControlServer(participant, hub, TOKEN)
    await server.start("127.0.0.1", 0)
    yield Running(participant, hub, things, server)
    await server.close()
