"""Disks: cut off, set back, exchanged; and lies about what a disk should hold."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from mesh_core.io.store import Store
from mesh_core.io.store_file import StoreError
from mesh_core.wire import messages as ms
from mesh_core.wire import statements as st
from tests.attacks.attacker import NETWORK, Attacker, announcement
from tests.attacks.market import Market, unharmed
from tests.e2e.mesh import Participant


def stop(participant: Participant) -> None:
    """Kill its mesh process, so that its disk is as a power cut leaves it."""
    assert participant.provider is not None
    participant.provider.kill()
    participant.provider.wait()


def end(participant: Participant) -> None:
    """End its mesh process cleanly: then the store is one file."""
    assert participant.provider is not None
    participant.provider.terminate()
    participant.provider.wait()


def stored_files(participant: Participant) -> list[Path]:
    return [path for path in participant.folder.iterdir() if path.name.startswith("store")]


async def test_a_store_cut_off_anywhere_is_refused_or_whole(spoilt_market: Market, tmp_path: Path) -> None:
    """Each page boundary and its neighbours; every single byte is cut in the unit tests of the store."""
    market, victim = spoilt_market, spoilt_market.providers[0]
    await market.answers()
    end(victim)
    whole = (victim.folder / "store.db").read_bytes()
    opened = Store.open(victim.folder / "store.db", victim.key.peer)
    held = {one.hash for one in opened.load().statements}
    opened.close()
    for cut in sorted(
        {cut + by for cut in range(0, len(whole), 4096) for by in (-1, 0, 1)} | {len(whole) - 1}
    ):
        if not 0 <= cut < len(whole):
            continue
        folder = tmp_path / f"cut-{cut}"
        shutil.copytree(victim.folder, folder)
        (folder / "store.db").write_bytes(whole[:cut])
        try:
            store = Store.open(folder / "store.db", victim.key.peer)
        except StoreError as error:
            assert "\n" not in str(error)
            continue
        try:
            assert {one.hash for one in store.load().statements} == held
        except StoreError as error:
            assert "\n" not in str(error)
        finally:
            store.close()
            shutil.rmtree(folder)


@pytest.mark.parametrize("kept", ["nothing", "a byte", "half", "all but a byte"])
async def test_a_participant_with_a_truncated_store_refuses_in_one_line_and_the_others_work_on(
    spoilt_market: Market, kept: str
) -> None:
    market, victim = spoilt_market, spoilt_market.providers[0]
    await market.answers()
    end(victim)
    store = victim.folder / "store.db"
    size = store.stat().st_size
    with store.open("r+b") as file:
        file.truncate({"nothing": 0, "a byte": 1, "half": size // 2, "all but a byte": size - 1}[kept])
    code, said = victim.refusal()
    assert code != 0
    assert said.count("\n") == 1, said
    assert "Traceback" not in said
    await market.answers()


@pytest.mark.parametrize("set_back", ["everything", "the store alone"])
async def test_an_old_backup_never_signs_again(spoilt_market: Market, tmp_path: Path, set_back: str) -> None:
    market, victim = spoilt_market, spoilt_market.providers[0]
    stop(victim)
    backup = tmp_path / "backup"
    backup.mkdir()
    for path in stored_files(victim):
        shutil.copy(path, backup)
    victim.change("price_micro = 10_000", "price_micro = 9_000")  # the cheapest wins, so it signs
    victim.start_provider()
    await market.agreed()
    await market.answers()
    seen = (await market.operator.client().state()).replica.heads[victim.peer]
    stop(victim)
    for path in stored_files(victim):
        if set_back == "everything" or path.suffix != ".mark":
            path.unlink()
    for path in backup.iterdir():
        if set_back == "everything" or path.suffix != ".mark":
            shutil.copy(path, victim.folder)
    if set_back == "everything":
        victim.start_provider()
        state = await victim.state_when(lambda state: state.node.ready or "retired" in state.node.problem)
        assert "retired" in state.node.problem
    else:
        code, said = victim.refusal()
        assert code != 0
        assert "old copy" in said
        assert said.count("\n") == 1
    await market.answers()
    replica = (await market.operator.client().state()).replica
    assert replica.equivocators == []
    assert replica.heads[victim.peer] == seen


async def test_nobody_can_make_up_a_past_for_somebody_else(market: Market, mallory: Attacker) -> None:
    """A liar answers the question that each node asks about itself after a start."""
    victim = market.providers[0]
    peer = victim.key.peer
    promise = mallory.sign(st.Promise(NETWORK, peer, bytes(32), 2**53, peer, None, ()))
    votes = tuple(ms.SignedVote(phase, promise) for phase in ("promise", "propose", "accept", "\0"))
    records = [b"", b"\xc0" * 100, mallory.record_at(999, bytes(32), "note", 1)]
    life = mallory.sign(st.Alive(NETWORK, peer, 2**62, announcement()))

    def lies(number: int) -> list[ms.Message]:
        return [ms.SelfAnswer(number, record, votes, life) for record in records]

    await mallory.join(market.everybody)
    mallory.reacts(ms.SelfQuery, lambda _, query: lies(query.number)[query.number % 3])
    async with unharmed(market):
        for _ in range(3):
            market.restart(victim)
            await market.agreed()
            assert "retired" not in (await victim.client().state()).node.problem
            for number in range(10):
                await mallory.send(victim, *lies(number))
            await mallory.is_heard(victim)
        assert mallory.got(ms.SelfQuery)
