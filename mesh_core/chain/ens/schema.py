"""What the registrar tells: views of the chain and of every name it knows, and what can be asked of it.

Importing this costs nothing: consoles, commands and the supervisor do. Text that came from a chain or from other members
is data: it is bounded here, and whoever shows it must show it inert.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from msgspec import Struct, field

NameState: TypeAlias = Literal[
    "waiting", "registering", "registered", "foreign", "retired", "absent", "withdrawn"
]
"""`waiting`: to be registered, and not yet under way. `registered`, `retired`: written by this machine's registrar.
`foreign`: somebody else's, only read. `absent`: claimed, and not on the chain. `withdrawn`: nobody claims it any more, and
nothing more is told of it."""

RECORD_CHARS_MAX = 1024
"""Of a text record so much is kept; what is longer counts as too long, and is shown cut."""

RECORDS_MAX = 16
"""Text records of one name that are read."""

NAMES_MAX = 512
"""Names that are known at a time: this machine's own first, then others' in the order they were heard of."""


class ChainView(Struct, frozen=True):
    """View `chain`: where names are read and written. `node` is the RPC's address without what may be secret in it;
    `problem` is one line, empty while all is well; `checked_ms` when it last answered."""

    network: str
    chain_id: int = 0
    node: str = ""
    parent: str = ""
    block: int = 0
    checked_ms: float = 0.0
    problem: str = ""


class NameView(Struct, frozen=True):
    """View `ens`: one name. `ascii` is how it is written in ASCII, where that is another way.

    `peer` is who claims the name, or whom its records name when nobody does. `verified` means that the owner of the name and
    that peer have each signed for the other; `why` says in words why that is so, or is not. `account` is who owns it.
    `issued_s` is when the binding was signed, in seconds since 1970; `checked_ms` when all this was read, at `block`.
    """

    name: str
    peer: str
    state: NameState
    verified: bool
    why: str
    network: str
    ascii: str = ""
    account: str = ""
    resolver: str = ""
    records: dict[str, str] = field(default_factory=dict)
    issued_s: int = 0
    block: int = 0
    checked_ms: float = 0.0


class Directory(Struct, frozen=True):
    """`GET /names`: all that is known."""

    chain: ChainView
    names: list[NameView]


class Named(Struct, frozen=True, forbid_unknown_fields=True):
    """Arguments of `verify`: a name."""

    name: str


class SetRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """Arguments of `set`: a text record of a name of this machine."""

    name: str
    key: str
    text: str


class Mint(Struct, frozen=True, forbid_unknown_fields=True):
    """Arguments of `mint`: a name below the parent or below a name of this machine, for `participant` or an account."""

    name: str
    owner: str = ""


class Transfer(Struct, frozen=True, forbid_unknown_fields=True):
    """Arguments of `transfer`: a name of this machine, and the account that gets it."""

    name: str
    to: str
