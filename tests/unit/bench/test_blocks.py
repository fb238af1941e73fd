"""Benches of building blocks measure what they say: none of them is a timed test."""

import pytest

from tests.bench import blocks
from tests.bench.figures import BENCHES


@pytest.mark.parametrize("name", ["records", "malformed"])
def test_a_building_block_is_measured_to_the_end(name: str) -> None:
    assert BENCHES[name].__module__ == blocks.__name__
    assert [figure.value for figure in BENCHES[name]() if figure.value < 0] == []
