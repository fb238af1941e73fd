"""The registrar of names, `python -m mesh_core.chain.ens`: what it is started with, and what it tells.

It is the only process that gets the secrets of a chain, and the only one that asks one. The mesh works without it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from mesh_core.chain.ens.schema import ChainView, NameView
from mesh_core.chain.ens.settings import URL_VARIABLE, Own, RegistrarSettings
from whisper_tui.errors import BadInput
from whisper_tui.supervisor.chain_choice import MAINNET, OFF, STARTED_HERE, chain_url
from whisper_tui.supervisor.plan import Plan, replace
from whisper_tui.supervisor.rundir import RunDir
from whisper_tui.supervisor.schema import ProcessView
from whisper_tui.supervisor.service import Service

PARENT_VARIABLE = "WHISPER_ENS_PARENT"
CHAIN_ID_VARIABLE = "WHISPER_CHAIN_ID"

SECRETS = (
    URL_VARIABLE,
    "WHISPER_ENS_KEY",
    "WHISPER_ENS_KEYSTORE",
    "WHISPER_ENS_PASSWORD",
    "JUSTANAME_API_KEY",
)
"""Variables of the environment that only the registrar gets."""

CHAIN_IDS = {**dict.fromkeys(STARTED_HERE, 31_337), MAINNET: 1}
SEPOLIA_ID = 11_155_111

LOCAL_POLL_S = 2.0
NETWORK_POLL_S = 60.0
"""A block takes 12 s, and nodes that are asked often want to be paid."""

CONFIRMATIONS = 3
CANNOT_START = 2
NAMES_MAX = 512
"""Views of names that are kept for those who come to listen later."""

VIEWS: dict[str, type[msgspec.Struct]] = {"chain": ChainView, "ens": NameView}


class _Told(msgspec.Struct):
    kind: str
    view: dict[str, Any]


def check_environment(environment: Mapping[str, str], chain: str) -> None:
    """BadInput for variables that a registrar could not start with."""
    if chain != OFF:
        _chain_id(environment, chain)
    if chain not in (*STARTED_HERE, OFF) and not (environment.get(URL_VARIABLE) or chain_url(chain, 0)):
        raise BadInput(
            f"--chain {chain}: {URL_VARIABLE} names no node",
            f"put {URL_VARIABLE}=https://… into the environment or .env",
        )


def _chain_id(environment: Mapping[str, str], chain: str) -> int:
    if chain in CHAIN_IDS:
        return CHAIN_IDS[chain]
    text = environment.get(CHAIN_ID_VARIABLE, "").strip() or str(SEPOLIA_ID)
    if not (text.isascii() and text.isdigit() and int(text[:18]) > 0 and len(text) < 18):
        raise BadInput(f"{CHAIN_ID_VARIABLE}={text[:40]}: expected the number of a chain")
    return int(text)


def write_settings(run: RunDir, plan: Plan, environment: Mapping[str, str]) -> None:
    """What the registrar is to look after: it reads the file again when it changes."""
    here = plan.chain in STARTED_HERE
    providers = [seat for seat in plan.participants if seat.role == "provider"]
    settings = RegistrarSettings(
        rpc_url=chain_url(plan.chain, plan.chain_port),
        chain_id=_chain_id(environment, plan.chain),
        parent=plan.ens_parent,
        token_file=run.token_file.name,
        controls=[f"http://127.0.0.1:{seat.control_port}" for seat in (plan.operator, *providers)],
        own=[
            Own(
                seat.name,
                plan.ens_name(seat),
                seat.peer,
                os.path.relpath(run.participant(seat.name).key, run.root),
                os.path.relpath(run.participant(seat.name).account_key, run.root),
            )
            for seat in providers
        ],
        minted=run.minted.name,
        payer_key=os.path.relpath(run.chain / "root.key", run.root) if here else "",
        confirmations=1 if here else CONFIRMATIONS,
        poll_s=LOCAL_POLL_S if here else NETWORK_POLL_S,
    )
    replace(run.registrar, msgspec.json.format(msgspec.json.encode(settings), indent=2) + b"\n")


class Names:
    """What the registrar has told, for those who come later; `emit` tells those who listen now."""

    def __init__(self, emit: Callable[[str, object], None]) -> None:
        self._emit = emit
        self.chain: ChainView | None = None
        self._names: dict[tuple[str, str], NameView] = {}

    def hear(self, line: bytes) -> None:
        """A line that it has printed; one that is no view is passed over."""
        try:
            told = msgspec.json.decode(line, type=_Told)
            view = msgspec.convert(told.view, VIEWS[told.kind])
        except (msgspec.MsgspecError, UnicodeDecodeError, KeyError, RecursionError):
            return
        if isinstance(view, ChainView):
            self.chain = view
        elif isinstance(view, NameView):
            self._names.pop((view.name, view.peer), None)
            if view.state != "withdrawn":
                self._names[view.name, view.peer] = view
            while len(self._names) > NAMES_MAX:
                self._names.pop(next(iter(self._names)))
        self._emit(told.kind, view)

    @property
    def names(self) -> list[NameView]:
        """Every name."""
        return list(self._names.values())

    def views(self) -> list[tuple[str, object]]:
        """Kind and view of all that is known."""
        chain: list[tuple[str, object]] = [("chain", self.chain)] if self.chain is not None else []
        return [*chain, *(("ens", view) for view in self._names.values())]


def registrar_service(run: RunDir, changed: Callable[[ProcessView], None], names: Names) -> Service:
    """Keeps it running."""
    argv = [sys.executable, "-P", "-m", "mesh_core.chain.ens", "--config", str(run.registrar)]
    return Service(
        "registrar",
        argv,
        run.logs,
        changed,
        greets=True,
        done_without={CANNOT_START: "no names are looked after"},
        heard=names.hear,
    )


def without_secrets(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment of all other processes."""
    return {name: value for name, value in environment.items() if name not in SECRETS}
