"""One timer for many calls, with the manners of `asyncio.timeout`."""

import asyncio
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from constitutional.wire.deadline import Deadline


async def call(deadline, seconds):
    began = time.monotonic()
    try:
        with deadline.of_this_call():
            await asyncio.sleep(seconds)
    except TimeoutError:
        return "late", time.monotonic() - began
    return "in time", time.monotonic() - began


def test_each_call_has_its_own_time():
    async def go():
        deadline = Deadline(0.2)
        first = asyncio.create_task(call(deadline, 5))
        await asyncio.sleep(0.1)
        others = await asyncio.gather(first, call(deadline, 5), call(deadline, 0.01))
        again = await call(deadline, 5)
        deadline.close()
        return [*others, again]

    said = asyncio.run(go())
    assert [word for word, _ in said] == ["late", "late", "in time", "late"]
    assert all(seconds >= 0.19 for word, seconds in said if word == "late")


def test_whoever_was_late_may_go_on():
    async def go():
        deadline = Deadline(0.01)
        said = [(await call(deadline, 1))[0] for _ in range(3)]
        await asyncio.sleep(0.05)
        task = asyncio.current_task()
        assert task is not None
        deadline.close()
        return said, task.cancelling()

    assert asyncio.run(go()) == (["late"] * 3, 0)


@pytest.mark.parametrize("deadline", [0.02, 60.0])
def test_a_task_that_is_cancelled_is_not_late(deadline):
    async def go():
        shared = Deadline(deadline)
        task = asyncio.create_task(call(shared, 5))
        await asyncio.sleep(0)
        if deadline < 1:
            time.sleep(0.05)  # Due and cancelled in the same turn of the loop.
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        shared.close()

    asyncio.run(go())


def test_an_error_of_the_call_goes_through():
    async def go():
        with Deadline(60.0).of_this_call():
            raise ValueError("its own")

    with pytest.raises(ValueError, match="its own"):
        asyncio.run(go())


@settings(max_examples=15, deadline=None)
@given(st.lists(st.sampled_from([0.0, 0.001, 0.004, 3.0]), min_size=1, max_size=30))
def test_whatever_is_under_way_at_once_nothing_is_left(waits):
    async def go():
        deadline = Deadline(1.0 if max(waits) < 1 else 0.1)
        said = await asyncio.gather(*(call(deadline, seconds) for seconds in waits))
        assert not deadline._open
        deadline.close()
        return [word for word, _ in said]

    assert asyncio.run(go()) == ["late" if seconds > 1 else "in time" for seconds in waits]
