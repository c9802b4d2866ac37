"""Belts: first in, first out, and nobody waits for ever."""

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st

from constitutional.engine.belt import Belt


async def passed_on(most, givers, takers, pauses):
    """What the takers got, where each giver puts so many items and pauses now and then."""
    belt, got = Belt(most), []
    rests = iter(pauses)

    async def give(name, count):
        for number in range(count):
            await belt.put((name, number))
            if next(rests, False):
                await asyncio.sleep(0)

    async def take():
        while True:
            got.append(await belt.get())
            if next(rests, False):
                await asyncio.sleep(0)

    taking = [asyncio.create_task(take()) for _ in range(takers)]
    async with asyncio.timeout(10):
        await asyncio.gather(*(give(name, count) for name, count in enumerate(givers)))
        while len(got) < sum(givers):
            await asyncio.sleep(0)
    for task in taking:
        task.cancel()
    return got


@settings(max_examples=150, deadline=None)
@given(
    st.integers(1, 4), st.lists(st.integers(0, 20), min_size=1, max_size=12), st.integers(1, 6), st.lists(st.booleans())
)
def test_every_item_arrives_once_and_to_one_taker_in_the_order_of_its_giver(most, givers, takers, pauses):
    got = asyncio.run(passed_on(most, givers, takers, pauses))
    assert sorted(got) == [(name, number) for name, count in enumerate(givers) for number in range(count)]
    # Two takers each have their own pace.
    for name, count in enumerate(givers if takers == 1 else []):
        assert [number for giver, number in got if giver == name] == list(range(count))


def test_givers_that_wait_while_takers_come_and_go_are_let_in():
    """A taker that is handed an item takes none away: whoever waits for room must hear of it all the same."""

    async def work():
        belt = Belt(1)
        await belt.put(0)
        giving = [asyncio.create_task(belt.put(number)) for number in range(1, 6)]
        await asyncio.sleep(0)
        got = [await belt.get()]
        taking = [asyncio.create_task(belt.get()) for _ in range(5)]
        async with asyncio.timeout(5):
            got += await asyncio.gather(*taking)
            await asyncio.gather(*giving)
        assert got == [0, 1, 2, 3, 4, 5]

    asyncio.run(work())
