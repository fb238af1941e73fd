from __future__ import annotations

import pytest

from tests.unit.membership.solo import OTHERS, Solo


@pytest.fixture
def solo() -> Solo:
    """A machine that knows "a" and three others whose accusations count."""
    machine = Solo()
    machine.meet("a", *OTHERS)
    return machine
