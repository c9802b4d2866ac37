"""The pool: whatever dies, every request is answered once, in its place, or says that it could not be."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

import pytest

pytest.importorskip("ray", reason="Ray is not installed")
pytest.importorskip("constitutional_ray", reason="constitutional-ray is not installed")
from constitutional_ray.pool import Lost, Pool
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from constitutional.api import RunError, Unanswered, UserError

T = TypeVar("T")
#: A hang takes seconds each time: it is not made smaller.
PHASES = [phase for phase in Phase if phase is not Phase.shrink]


class Copy:
    """A replica in this process: says each number's double, and dies when it is told to."""

    def __init__(self, world: World, index: int) -> None:
        self.world, self.index, self.dead = world, index, asyncio.Event()

    async def open(self) -> None:
        self.world.opened += 1
        if self.world.on_open is not None:
            raise self.world.on_open

    async def ask(self, batch: Sequence[int]) -> Sequence[int]:
        self.world.batches.append((self.index, len(batch)))
        await asyncio.sleep(0)
        if self.dead.is_set() or self.world.kills(batch):
            self.dead.set()
            raise Lost("on purpose")
        self.world.answered += batch
        return [2 * number for number in batch]

    async def gone(self) -> None:
        await self.dead.wait()

    async def close(self) -> None:
        self.world.closed += 1


class World:
    """All copies, and what became of them."""

    def __init__(self, kills: Callable[[Sequence[int]], bool] = lambda batch: False) -> None:
        self.kills = kills
        self.on_open: Exception | None = None
        self.opened = self.closed = 0
        self.batches: list[tuple[int, int]] = []
        self.answered: list[int] = []
        self.notices: list[str] = []

    def pool(self, size: int = 2, **more: Any) -> Pool:
        return Pool(lambda index: Copy(self, index), size, pause=0.0, notice=self.notices.append, **more)


def run(going: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(asyncio.wait_for(going, 5))


async def asked(pool: Pool, *batches: Sequence[int]) -> list[list[Any]]:
    await pool.open()
    try:
        return list(await asyncio.gather(*[pool.ask(batch) for batch in batches]))
    finally:
        await pool.close()


@settings(max_examples=60, deadline=None, phases=PHASES)
@given(deaths=st.lists(st.integers(0, 30), max_size=4), sizes=st.lists(st.integers(1, 12), min_size=1, max_size=6),
       copies=st.integers(1, 4))  # fmt: skip
def test_every_request_is_answered_in_its_place_whichever_copies_die(
    deaths: list[int], sizes: list[int], copies: int
) -> None:
    left = list(deaths)
    count = 0

    def kills(batch: Sequence[int]) -> bool:
        nonlocal count
        count += 1
        if count in left:
            left.remove(count)
            return True
        return False

    world = World(kills)
    batches = [list(range(100 * number, 100 * number + size)) for number, size in enumerate(sizes)]
    answers = run(asked(world.pool(copies, restarts=10, tries=6), *batches))
    assert answers == [[2 * number for number in batch] for batch in batches]
    assert sorted(world.answered) == sorted(number for batch in batches for number in batch), (
        "asked once, or never answered"
    )
    assert world.closed == world.opened


@settings(max_examples=30, deadline=None, phases=PHASES)
@given(bad=st.integers(0, 15), size=st.integers(1, 16))
def test_a_request_that_kills_every_copy_is_unanswered_and_sinks_no_neighbour(bad: int, size: int) -> None:
    world = World(lambda batch: bad in batch)
    (answers,) = run(asked(world.pool(2, restarts=30), range(size)))
    for number, answer in enumerate(answers):
        if number == bad:
            assert isinstance(answer, Unanswered)
            assert answer.reason == "replica-lost"
        else:
            assert answer == 2 * number


def test_idle_copies_share_a_batch() -> None:
    async def go() -> World:
        world = World()
        pool = world.pool(4)
        await pool.open()
        await asyncio.sleep(0.01)
        await pool.ask(range(8))
        await pool.close()
        return world

    assert sorted(run(go()).batches) == [(0, 2), (1, 2), (2, 2), (3, 2)]


def test_a_death_is_told_and_another_takes_the_place() -> None:
    dead = [True]
    world = World(lambda batch: bool(dead) and dead.pop())
    run(asked(world.pool(1), [1, 2, 3]))
    assert world.opened == 2
    assert world.notices == ["replica 1 is lost (died); another takes its place and is asked what it left"]


def test_what_a_backend_raises_on_opening_is_raised_once_no_copy_is_left() -> None:
    world = World()
    world.on_open = UserError("there is no such model")
    with pytest.raises(UserError, match="no such model"):
        run(asked(world.pool(2), [1]))
    assert world.closed == 2


def test_copies_that_die_without_an_answer_between_end_the_run() -> None:
    world = World()
    world.on_open = Lost("out of memory")
    with pytest.raises(RunError, match="died 3 times without an answer between"):
        run(asked(world.pool(1, restarts=2), [1]))
    assert "out of memory" in world.notices[0]
