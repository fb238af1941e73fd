"""What a run says while it goes on."""

from __future__ import annotations

import pytest

from tests.unit.console.feeder import Feeder, peer_of
from whisper_tui.model.state import State
from whisper_tui.script.progress import NAMELESS_MAX, Progress


def told(progress: Progress, state: State) -> None:
    for entry in state.log:
        progress.told(state, entry)


def test_a_job_that_others_hear_of_first_is_told_of_by_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    mesh = Feeder()
    mesh.start()
    lease = {"job": peer_of("job q1.1"), "epoch": 1, "holder": peer_of("node1"), "promised": 4}
    mesh.tell("node1", "lease_granted", lease)
    progress = Progress()
    told(progress, mesh.state(primary=peer_of("operator")))
    assert capsys.readouterr().err == ""
    mesh.submit()
    told(progress, mesh.state(primary=peer_of("operator")))
    assert "q1.1 epoch 1" in capsys.readouterr().err


def test_a_job_that_nobody_names_is_told_of_in_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    mesh = Feeder()
    mesh.start()
    for number in range(NAMELESS_MAX + 1):
        lease = {"job": f"{number:064}", "epoch": 1, "holder": peer_of("node1"), "promised": 4}
        mesh.tell("node1", "lease_granted", lease)
    told(Progress(), mesh.state(primary=peer_of("operator")))
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1 and f"{0:08} epoch 1" in said[0]
