"""Patience with files that cannot be used yet."""

from __future__ import annotations

from client.watch.folder import Arrival, Stamp
from client.watch.tries import LAST_WAIT, Tries
from tests.client.watch.test_folder import Clock

A, B = (Arrival(name, Stamp(1, 1, 1), 1000.0) for name in ("a", "b"))


def test_attempts_come_in_growing_steps_and_one_when_the_time_is_over() -> None:
    clock = Clock()
    tries = Tries(give_up=10, clock=clock)
    at = []
    given_up = False
    while not given_up:
        if tries.due([A]):
            at.append(clock.now - 1000)
            given_up = tries.failed(A)
        clock.now += 0.5
    assert at == [0, 1, 3, 7, 10]


def test_later_attempts_come_now_and_then_for_ever() -> None:
    clock = Clock()
    tries = Tries(give_up=0, clock=clock)
    at = []
    for _ in range(5000):
        if tries.due([A]):
            at.append(clock.now)
            assert tries.failed(A)
        clock.now += 1
    assert at[-1] - at[-2] == LAST_WAIT
    assert len(at) < 30


def test_a_file_that_changed_starts_afresh_and_one_that_is_gone_is_forgotten() -> None:
    tries = Tries(give_up=10, clock=Clock())
    tries.failed(A)
    assert tries.due([A, B]) == [B]
    changed = Arrival("a", Stamp(2, 2, 2), 1000.0)
    assert tries.due([changed]) == [changed]
    assert tries.due([A]) == [A]
