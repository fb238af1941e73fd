"""Every place where bytes come in from outside: nearly right ones, and any at all.

What must be true is said by the fuzz targets (`tests.fuzz`), which also run for hours under a coverage-guided fuzzer.
"""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from tests.fuzz.targets import TARGETS

EXAMPLES = 150
EXAMPLES_OF_SLOW = 50
SLOW = frozenset({"frame", "message", "store", "command"})


@pytest.mark.parametrize("name", TARGETS)
def test_honest_bytes_pass(name: str) -> None:
    seeds = TARGETS[name].seeds()
    for seed in seeds[:: 1 + len(seeds) // 20]:
        TARGETS[name].run(seed)


@pytest.mark.parametrize("name", TARGETS)
def test_nearly_right_bytes_are_understood_or_refused_as_they_should_be(name: str) -> None:
    target = TARGETS[name]

    @settings(
        max_examples=EXAMPLES_OF_SLOW if name in SLOW else EXAMPLES,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(some.sampled_from(target.seeds()), some.randoms(use_true_random=False), some.integers(1, 3))
    def check(data: bytes, random: Random, times: int) -> None:
        for _ in range(times):
            data = target.mutated(data, random)
        target.run(data)

    check()


@pytest.mark.parametrize("name", TARGETS)
def test_any_bytes_at_all_do_no_worse_than_to_be_refused(name: str) -> None:
    target = TARGETS[name]

    @settings(max_examples=EXAMPLES_OF_SLOW, deadline=None, suppress_health_check=list(HealthCheck))
    @given(some.binary(max_size=400))
    def check(data: bytes) -> None:
        target.run(data)

    check()
