from __future__ import annotations

from mesh_core.lease.outlook import Outlook


def test_after_each_loss_the_job_is_looked_at_again_later() -> None:
    outlook = Outlook()
    waits = [outlook.lost() for _ in range(10)]
    assert waits == sorted(waits) and waits[0] > 0
    assert waits[1] == 2 * waits[0] and waits[-1] == waits[-2]
    assert outlook.losses == 10


def test_who_was_left_behind_has_not_lost() -> None:
    outlook = Outlook()
    assert outlook.left_behind() == Outlook().lost()
    assert outlook.losses == 0


def test_who_was_left_behind_after_losses_comes_back_as_soon_as_at_first_and_stands_no_further_apart() -> (
    None
):
    outlook = Outlook()
    for _ in range(5):
        outlook.lost()
    assert outlook.distance > 1
    assert outlook.left_behind() == Outlook().lost() == outlook.jitter_s
    assert outlook.distance == 1
    assert outlook.patience > 1
    outlook.lost()
    assert outlook.distance > 1


def test_what_was_heard_of_an_epoch_does_not_go_back() -> None:
    outlook = Outlook()
    for epoch in (3, 7, 5):
        outlook.heard(epoch)
    assert outlook.epoch == 7
