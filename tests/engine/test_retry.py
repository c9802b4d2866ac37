"""Waiting, slowing down and giving up, on a clock that the test turns."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from constitutional.backend import Patience
from constitutional.engine.retry import LONGEST_WISH, STREAK, Breaker, Pace, Throttle, pause_before
from constitutional.errors import NotNow


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@given(st.integers(1, 10_000), st.floats(0, 1))
def test_waits_triple_up_to_the_longest(attempt, chance):
    patience = Patience(first_wait=0.5, longest_wait=8.0)
    wait = pause_before(attempt, NotNow("500"), patience, lambda: chance)
    assert 0.25 <= wait <= 12.0
    assert wait == pytest.approx(min(8.0, 0.5 * 3 ** min(attempt - 1, 20)) * (0.5 + chance))


@given(st.floats(0, 1e6), st.floats(0, 1))
def test_the_servers_wish_is_kept_but_not_for_ever(after, chance):
    wait = pause_before(1, NotNow("429", after=after), Patience(), lambda: chance)
    assert min(after, LONGEST_WISH) <= wait <= 1.1 * LONGEST_WISH


def test_the_breaker_opens_after_a_streak_and_lets_one_feel():
    clock = Clock()
    breaker = Breaker(Patience(first_wait=1.0, longest_wait=10.0), clock)
    assert [breaker.failed(4, gone=True) for _ in range(STREAK)] == [False] * STREAK
    assert breaker.failed(4, gone=True)
    assert breaker.open
    assert breaker.may_ask() == 4.0
    clock.now += 4.0
    assert breaker.may_ask() == 0.0
    breaker.asked()
    assert breaker.may_ask() == 10.0
    assert not breaker.failed(0, gone=True)
    assert breaker.may_ask() == 8.0
    assert breaker.gone_for == 4.0
    assert breaker.answered()
    assert not breaker.open
    assert breaker.may_ask() == 0.0


def test_a_server_with_much_in_flight_is_not_gone_for_one_bad_moment():
    breaker = Breaker(Patience(), Clock())
    assert not any(breaker.failed(64, gone=True) for _ in range(64))
    assert breaker.failed(64, gone=True)


def test_any_answer_ends_a_streak():
    breaker = Breaker(Patience(), Clock())
    for _ in range(50):
        for _ in range(STREAK):
            assert not breaker.failed(1, gone=False)
        breaker.answered()


def test_room_is_halved_once_for_all_that_went_out_before():
    clock = Clock()
    throttle = Throttle(64, adaptive=True, clock=clock)
    sent = clock.now
    clock.now += 1.0
    for _ in range(10):
        throttle.refused(sent, None)
    assert throttle.limit == 32
    for _ in range(4):
        throttle.refused(clock.now, 2.0)
    assert throttle.limit == 16
    assert throttle.closed_for() == 2.0
    clock.now += 2.0
    assert throttle.closed_for() == 0.0
    assert throttle.room(15)
    assert not throttle.room(16)


def test_a_refusal_now_and_then_takes_no_room():
    throttle = Throttle(64, adaptive=True, clock=Clock())
    for _ in range(50):
        for _ in range(40):
            throttle.answered()
        throttle.refused(2000.0, 0.2)
    assert throttle.limit == 64
    assert throttle.closed_for() == 0.0


def test_few_at_once_are_not_halved_by_one_refusal_but_by_a_round_of_them():
    clock = Clock()
    throttle = Throttle(8, adaptive=True, clock=clock)
    sent = clock.now
    clock.now += 1.0
    for _ in range(50):
        for _ in range(30):
            throttle.answered()
        throttle.refused(sent, 0.2)
    assert throttle.limit == 8
    for _ in range(8):
        throttle.refused(sent, 0.2)
    assert throttle.limit == 4
    assert throttle.closed_for() == pytest.approx(0.2)


def test_a_server_that_only_refuses_is_left_alone_within_a_few_questions():
    clock = Clock()
    throttle = Throttle(64, adaptive=True, clock=clock)
    asked = 0
    while throttle.limit > 1:
        clock.now += 1.0
        throttle.refused(clock.now, 2.0)
        asked += 1
    assert asked <= 24


def test_room_comes_back_quickly_to_where_it_was_too_much_and_slowly_beyond():
    clock = Clock()
    throttle = Throttle(256, adaptive=True, clock=clock)
    throttle.limit = 128.0
    sent, clock.now = clock.now, clock.now + 1.0
    for _ in range(128):
        throttle.refused(sent, None)
    assert throttle.limit == 64
    rounds = 0
    while throttle.limit < 120:
        rounds += 1
        for _ in range(int(throttle.limit)):
            throttle.answered()
    assert rounds <= 10
    before = throttle.limit = 200.0
    for _ in range(200):
        throttle.answered()
    assert 0.9 < throttle.limit - before <= 1.0


def test_room_grows_by_one_for_every_round():
    throttle = Throttle(64, adaptive=True, clock=Clock())
    throttle.limit = 8.0
    for _ in range(8):
        throttle.answered()
    assert 8.9 < throttle.limit <= 9.0
    for _ in range(100_000):
        throttle.answered()
    assert throttle.limit == 64


def test_room_stays_where_nothing_is_to_adapt():
    throttle = Throttle(4, adaptive=False, clock=Clock())
    throttle.refused(0.0, 5.0)
    assert throttle.room(3)


@given(st.floats(1, 10_000), st.integers(1, 300))
def test_requests_never_go_faster_than_their_rate_beyond_a_second(rate, count):
    clock = Clock()
    pace = Pace(rate, None, clock)
    began = clock.now
    for _ in range(count):
        clock.now += pace.wait()
        pace.spend(0)
    assert clock.now - began >= (count - 1) * 60 / rate - 1.0 - 60 / rate - 1e-6


def test_tokens_are_corrected_when_they_are_known():
    clock = Clock()
    pace = Pace(None, 600.0, clock)
    pace.spend(100)
    assert pace.wait() == pytest.approx(9.0)
    pace.correct(-95)
    assert pace.wait() == 0.0
