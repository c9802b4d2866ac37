"""Group commit: who waits hears how it went, and who does not is told the next time."""

import asyncio

import pytest

from constitutional.engine.commit import TOGETHER, Commit
from constitutional.errors import StoreFailed
from constitutional.store.journal import Journal


def in_a_loop(work):
    asyncio.run(work())


@pytest.fixture
def journal(tmp_path):
    with Journal(tmp_path / "j.sqlite") as journal:
        yield journal


def test_all_that_wait_share_a_transaction(journal):
    async def work():
        commit, told = Commit(journal), []
        for number in range(10):
            journal.keep_answer(str(number), "m", {"n": number})
            commit.then(told.append)
        assert not told
        await asyncio.sleep(0.05)
        assert told == [None] * 10
        assert all(journal.answer(str(number)) == {"n": number} for number in range(10))

    in_a_loop(work)


def test_many_do_not_wait_for_the_timer(journal):
    async def work():
        commit, told = Commit(journal), []
        for number in range(TOGETHER):
            journal.keep_answer(str(number), "m", {"n": number})
            commit.then(told.append)
        for _ in range(2):
            await asyncio.sleep(0)
        assert len(told) == TOGETHER

    in_a_loop(work)


def test_a_row_that_nobody_waits_for_is_not_lost_in_silence(journal, monkeypatch):
    async def work():
        commit, told = Commit(journal), []
        journal.keep_outcome("step", "row", (0,), {"n": 1})
        with monkeypatch.context() as patch:
            patch.setattr(Journal, "_write_pending", full)
            commit.soon()
            await asyncio.sleep(0.05)
            with pytest.raises(StoreFailed, match="full"):
                commit.soon()
            commit.then(told.append)
            await asyncio.sleep(0.05)
            assert isinstance(told[0], StoreFailed)
        commit.then(told.append)
        await asyncio.sleep(0.05)
        assert told[1] is None
        commit.soon()
        assert journal.count("step") == 1

    def full(journal):
        raise journal._failed(OSError("database or disk is full"))

    in_a_loop(work)
