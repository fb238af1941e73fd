"""What every machine of a node shares: who it is, its doors to the world, its outbox and its timers."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from mesh_core.config import DEFAULT_SLOTS, Timing, limit
from mesh_core.crypto import Crypto, Rng
from mesh_core.effects import Outbox, PeerId
from mesh_core.identity.pen import Pen
from mesh_core.timers import Timers
from mesh_core.wire.messages import Message
from mesh_core.wire.statements import Announcement


@dataclass(frozen=True, slots=True)
class NodeConfig:
    """Who a node is and how it behaves. `credit` maps submitters to their limit in micro-AXL; `slots` is how many
    workloads run here at once: what a bid's load counts by, and when a node gives way to others. The newest
    `retained_records` are never dropped; `electors` elect the first checkpoint, which says what older ones come to and who
    elects the next; where none are named everything is kept."""

    network: str
    peer: PeerId
    timing: Timing
    announcement: Announcement
    executes: bool
    credit: Mapping[PeerId, int]
    slots: int = DEFAULT_SLOTS
    electors: tuple[PeerId, ...] = ()
    retained_records: int = limit("retained_records")

    def grants(self, peer: PeerId) -> bool:
        """Whether this node trusts a submitter with money: a limit of nothing is none."""
        return self.credit.get(peer, 0) > 0

    @property
    def trusting(self) -> frozenset[PeerId]:
        """Itself, and the submitters that it trusts with money."""
        return frozenset((self.peer, *filter(self.grants, self.credit)))


@dataclass(frozen=True, slots=True)
class Doors:
    """Everything that is not a pure function of the inputs, handed in."""

    crypto: Crypto
    rng: Rng
    wall_ms: Callable[[], int]


@dataclass(slots=True)
class Context:
    """Shared by the machines of one node. `pen` signs what binds it; `now` is the time of the step under way, for what
    reacts to a change rather than to an input."""

    config: NodeConfig
    doors: Doors
    outbox: Outbox = field(default_factory=Outbox)
    timers: Timers = field(default_factory=Timers)
    local: deque[Message] = field(default_factory=deque)
    dropped: Counter[str] = field(default_factory=Counter)
    boot: int = 0
    now: float = 0.0
    pen: Pen = field(init=False)

    def __post_init__(self) -> None:
        self.pen = Pen(self.doors.crypto, self.outbox.write)

    @property
    def ready(self) -> bool:
        """Whether this node may sign: peers had a chance to tell of its past, and its key is not retired."""
        return self.pen.is_open

    @property
    def me(self) -> PeerId:
        """This node's key."""
        return self.config.peer

    @property
    def timing(self) -> Timing:
        """The timers in force."""
        return self.config.timing

    @property
    def crypto(self) -> Crypto:
        """The door to cryptography."""
        return self.doors.crypto

    def send(self, to: PeerId, message: Message) -> None:
        """Send after everything written so far is durable; a message to oneself is handled in the same step."""
        if to == self.me:
            self.local.append(message)
        else:
            self.outbox.send(to, message)

    def send_at_once(self, to: PeerId, message: Message) -> None:
        """Send to another node without waiting for the disk: what a slow one must not delay, and nothing this node is
        bound by."""
        self.outbox.send(to, message, after_disk=False)
