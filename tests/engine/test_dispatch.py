"""The queue of one model: nothing waits for ever, whatever the clock does between two looks at it."""

import asyncio
from dataclasses import replace
from typing import ClassVar

import pytest

from constitutional.api import Completion, NotNow, Patience, Request, Unanswered, user
from constitutional.engine.commit import Commit
from constitutional.engine.context import Calls
from constitutional.engine.dispatch import Dispatcher, ModelQueue
from constitutional.store.journal import Journal
from tests.engine.support import Echo, EchoParams, echo_use


class Moody(Echo):
    """Says `NotNow` so many times to each question, then answers."""

    moods: ClassVar[int] = 2
    gone: ClassVar[bool] = False
    batch_size = 1
    parallel = 4

    @property
    def patience(self):
        return Patience(attempts=4, first_wait=0.0004, longest_wait=0.002)

    async def generate(self, batch):
        (request,) = batch
        text = request.messages[-1].content
        Echo.calls.append(text)
        if Echo.calls.count(text) <= self.moods:
            return [NotNow("500", "not now", after=0.0003, busy=True, gone=self.gone)]
        return [Completion(text)]


def ask_all(tmp_path, backend, count):
    async def go():
        with Journal(tmp_path / "j.sqlite") as journal:
            queue = ModelQueue(echo_use(), backend, Commit(journal), lambda model, said: None)
            asked = [queue.ask(Request((user(f"question {i}"),)), 1, Calls()) for i in range(count)]
            answers = await asyncio.wait_for(asyncio.gather(*asked, return_exceptions=True), 30)
            await queue.close()
            return answers

    Echo.calls.clear()
    return asyncio.run(go())


@pytest.mark.parametrize("gone", [False, True])
@pytest.mark.parametrize("turn", range(10))
def test_short_waits_lose_nobody(tmp_path, turn, gone):
    backend = Moody(EchoParams())
    backend.gone = gone
    answers = ask_all(tmp_path, backend, 40)
    assert [answer.text for answer in answers] == [f"question {i}" for i in range(40)]
    assert len(Echo.calls) == 120


def test_whoever_gets_no_answer_is_told_why(tmp_path):
    backend = Moody(EchoParams())
    backend.moods = 100
    answers = ask_all(tmp_path, backend, 3)
    assert all(isinstance(answer, Unanswered) and answer.reason == "500" for answer in answers)
    assert len(Echo.calls) == 12


class Careless(Echo):
    """Gives half of the JSON that was asked for to every other question."""

    async def generate(self, batch):
        return [Completion('{"a": 1' + ("}" if "even" in one.messages[-1].content else "")) for one in batch]


def test_an_answer_that_lacks_the_form_that_was_asked_for_is_none(tmp_path):
    async def go():
        with Journal(tmp_path / "j.sqlite") as journal:
            queue = ModelQueue(echo_use(), Careless(EchoParams()), Commit(journal), lambda model, said: None)
            asked = [Request((user(word),), json_schema="{}") for word in ("even", "odd")]
            answers = await asyncio.gather(*(queue.ask(one, 1, Calls()) for one in asked), return_exceptions=True)
            free = await queue.ask(Request((user("odd"),)), 1, Calls())
            await queue.close()
            return [*answers, free]

    even, odd, free = asyncio.run(go())
    assert even.text == '{"a": 1}'
    assert (odd.reason, odd.detail) == ("not-json", '{"a": 1')
    assert free.text == '{"a": 1'


class OneByOne(Echo):
    """Answers one question at a time; `first` fails once."""

    parallel = batch_size = 1
    patience = Patience(attempts=4, first_wait=0.0, longest_wait=0.0)
    failing: ClassVar[tuple[str, ...]] = ()

    async def generate(self, batch):
        (request,) = batch
        text = request.messages[-1].content
        Echo.calls.append(text)
        await asyncio.sleep(0.005)
        if text in self.failing and Echo.calls.count(text) == 1:
            return [NotNow("500", "not now")]
        return [Completion(text)]


def in_order(tmp_path, backend, asked, ending=frozenset()):
    """The order in which questions `(text, depth, step)` were put that were all asked at once."""

    async def go():
        with Journal(tmp_path / "j.sqlite") as journal:
            queue = ModelQueue(echo_use(), backend, Commit(journal), lambda model, said: None)
            waiting = [
                asyncio.ensure_future(queue.ask(Request((user(text),)), depth, Calls(step=step)))
                for text, depth, step in asked
            ]
            await asyncio.sleep(0)
            queue.ending(ending)
            waiting.append(asyncio.ensure_future(queue.ask(Request((user("late"),)), 2, Calls(step="judge"))))
            await asyncio.wait_for(asyncio.gather(*waiting), 30)
            await queue.close()

    Echo.calls.clear()
    asyncio.run(go())
    return list(Echo.calls)


ASKED = [("a1", 1, "draft"), ("a2", 1, "draft"), ("b1", 2, "judge"), ("a3", 1, "draft"), ("b2", 2, "judge")]


def test_later_stages_go_first_while_there_are_new_rows(tmp_path):
    assert in_order(tmp_path, OneByOne(EchoParams()), ASKED) == ["b1", "b2", "late", "a1", "a2", "a3"]


def test_the_longest_way_goes_first_once_there_are_no_new_rows(tmp_path):
    said = in_order(tmp_path, OneByOne(EchoParams()), ASKED, frozenset({"draft", "judge"}))
    assert said == ["a1", "a2", "a3", "b1", "b2", "late"]


def test_a_stream_that_ends_goes_before_others(tmp_path):
    said = in_order(tmp_path, OneByOne(EchoParams()), ASKED, frozenset({"draft"}))
    assert said == ["a1", "a2", "a3", "b1", "b2", "late"]


def test_a_question_that_failed_in_passing_keeps_its_place(tmp_path):
    backend = OneByOne(EchoParams())
    backend.failing = ("b1", "a1")
    said = in_order(tmp_path, backend, ASKED)
    assert said.index("b1", 1) < said.index("late")
    assert len(said) - 1 - said[::-1].index("a1") < said.index("a3")


def test_only_a_backend_that_gets_ready_ahead_is_closed_without_having_been_opened(tmp_path):
    closed = []

    class Plain(Echo):
        async def close(self):
            closed.append(type(self).__name__)

    class Ready(Plain):
        def expect(self):
            closed.append("ready")

    async def work():
        with Journal(tmp_path / "j.sqlite") as journal:
            for kind in (Plain, Ready):
                queue = ModelQueue(echo_use(), kind(EchoParams()), Commit(journal), lambda model, said: None)
                queue.expect()
                queue.expect()
                await queue.close()

    asyncio.run(work())
    assert closed == ["ready", "Ready"]


def test_models_are_freed_though_another_one_fails_to_go(tmp_path):
    closed = []

    class Stubborn(Echo):
        async def close(self):
            closed.append(self.params.model)
            if self.params.model == "first":
                raise OSError("will not go")

    async def work():
        with Journal(tmp_path / "j.sqlite") as journal:
            dispatcher = Dispatcher(Commit(journal), lambda use: Stubborn(use.params))
            for name in ("first", "second"):
                queue = dispatcher.queue(replace(echo_use(), fingerprint=name, params=EchoParams(model=name)))
                await queue.ask(Request((user("hi"),)), 0, Calls())
            with pytest.raises(OSError, match="will not go"):
                await dispatcher.close()

    asyncio.run(work())
    assert closed == ["first", "second"]
