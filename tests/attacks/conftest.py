"""A market per module, attacked by one test after the other and left intact by each."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.attacks.attacker import Attacker, attacker
from tests.attacks.market import Market, build_corpus

PROVIDERS = 3


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def market(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, corpus: Path
) -> Iterator[Market]:
    """An operator and three providers; `EXEC_DELAY_S` of a module makes their executions last."""
    delay_s = getattr(request.module, "EXEC_DELAY_S", 0.0)
    made = Market(tmp_path_factory.mktemp("market"), corpus, PROVIDERS, delay_s)
    try:
        made.open()
        yield made
    finally:
        made.close()


@pytest.fixture
async def mallory(market: Market, tmp_path: Path) -> AsyncIterator[Attacker]:
    """A stranger with an AXL node and a key."""
    async with attacker(tmp_path, market.everybody) as made:
        yield made


@pytest.fixture
async def customer(market: Market, tmp_path: Path) -> AsyncIterator[Attacker]:
    """Somebody with an AXL node and credit, and no scruples."""
    async with attacker(tmp_path, market.everybody, market.customer().key) as made:
        yield made


@pytest.fixture
def spoilt_market(tmp_path: Path, corpus: Path) -> Iterator[Market]:
    """A market of its own for a test that leaves somebody behind in ruins."""
    folder = tmp_path / "market"
    folder.mkdir()
    made = Market(folder, corpus, PROVIDERS, 0.0)
    try:
        made.open()
        yield made
    finally:
        made.close()
