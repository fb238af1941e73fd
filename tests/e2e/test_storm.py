"""Random kills, stops, partitions and full disks over real processes; what they leave is counted from the disks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import SystemRandom

import pytest

from tests.e2e.storm.storm import Result, Storm

SEED = 47
SHORT_S = 14.0


@pytest.fixture
def storm(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Storm]:
    """The storm that was asked for on the command line, else a short one."""
    minutes, seed = request.config.getoption("--storm"), request.config.getoption("--storm-seed")
    if seed is None:
        seed = SEED if minutes is None else SystemRandom().randrange(1_000_000)
    lasting_s = SHORT_S if minutes is None else 60 * minutes
    made = Storm(tmp_path, seed, lasting_s, whole=minutes is None)
    yield made
    made.end()


def test_a_storm_loses_nothing_settles_nothing_twice_and_leaves_nothing_behind(
    storm: Storm, capsys: pytest.CaptureFixture[str]
) -> None:
    storm.start()
    with capsys.disabled():
        print(f"\nstorm --storm-seed {storm.seed} in {storm.mesh.folder}", flush=True)
        result = storm.rage()
        print(result, flush=True)
    found = wrong(result)
    assert not found, f"{found}\n{result.story()}"


def wrong(result: Result) -> dict[str, object]:
    """Everything that a storm must not have left, by name; what is not there is well."""
    assert result.audit is not None
    counters = result.audit.counters
    found = {
        **result.count.wrong,
        "roots": result.roots if len(result.roots) != 1 else "",
        "sums": result.sums - {0},
        "processes": result.leaked,
        "logs": result.stumbled,
        "growth": [str(one) for one in result.growth if not one.is_bounded],
        "audit": {
            name: value
            for name, value in {
                "lost": counters.jobs_lost,
                "settled twice": counters.jobs_settled_twice,
                "open": result.audit.open,
                "balance": result.audit.balance_micro,
                "roots": len({replica.root for replica in result.audit.replicas}) - 1,
                "other root than told": result.audit.replicas[0].root not in result.roots,
            }.items()
            if value
        },
    }
    return {name: value for name, value in found.items() if value}
