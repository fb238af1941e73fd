"""Each rule of the protocol, turned off, is missed: the checkers would notice."""

import pytest

from tests.simulation.controls import CONTROLS, SEEDS_MAX, Control


@pytest.mark.parametrize("control", CONTROLS, ids=lambda control: control.rule.replace(" ", "_"))
def test_a_protocol_without_the_rule_is_caught(control: Control) -> None:
    caught = control.seeds_until_caught()
    assert caught is not None, f"{control.caught_by.name} held for {SEEDS_MAX} seeds without: {control.rule}"
