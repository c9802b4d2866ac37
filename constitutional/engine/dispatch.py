"""Dispatch: one queue per model, batches of whatever waits, later stages first, nothing asked twice.

A request is looked up in the journal under the digest of all that decides its answer; twins in flight share one
question.  The answer is in the journal before anyone sees it.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from constitutional.backend import Backend, Choice, ChoiceRequest, Completion, Request
from constitutional.errors import RunError
from constitutional.ids import digest
from constitutional.plan.step import ModelUse
from constitutional.store.journal import Journal

Question = Request | ChoiceRequest
Answer = Completion | Choice


class Tally(Protocol):
    """Counts a step's calls."""

    calls: int
    calls_reused: int
    tokens: int


@dataclass(order=True, slots=True)
class _Waiting:
    priority: tuple[int, int]
    question: Question = field(compare=False)
    key: str = field(compare=False)
    future: asyncio.Future[Answer] = field(compare=False)


def call_key(question: Question, model: str) -> str:
    """What decides an answer: the rendered request with its sampling parameters and seed, and the model."""
    return digest([type(question).__name__, model, question.identity()])


class ModelQueue:
    """All that waits for one model."""

    def __init__(self, use: ModelUse, backend: Backend, journal: Journal) -> None:
        self.use = use
        self._backend = backend
        self._journal = journal
        self._heap: list[_Waiting] = []
        self._flying: dict[str, asyncio.Future[Answer]] = {}
        self._count = itertools.count()
        self._awake = asyncio.Event()
        self._opened = False
        self._closing = False
        self._workers: list[asyncio.Task[None]] = []

    async def ask(self, question: Question, depth: int, tally: Tally) -> Answer:
        """The answer, from the journal, from a twin in flight, or from the model.

        Raises:
            Unanswered: if the model has none.
        """
        key = call_key(question, self.use.fingerprint)
        tally.calls += 1
        if known := self._journal.answer(key):
            tally.calls_reused += 1
            answer = _decode(known)
        else:
            twin = self._flying.get(key)
            tally.calls_reused += twin is not None
            answer = await asyncio.shield(twin or self._enqueue(question, key, depth))
        tally.tokens += _tokens(answer)
        return answer

    def _enqueue(self, question: Question, key: str, depth: int) -> asyncio.Future[Answer]:
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        future.add_done_callback(lambda done: done.cancelled() or done.exception())
        self._flying[key] = future
        heapq.heappush(self._heap, _Waiting((-depth, next(self._count)), question, key, future))
        if not self._workers:
            self._workers = [asyncio.create_task(self._work()) for _ in range(self._backend.parallel)]
        self._awake.set()
        return future

    async def _work(self) -> None:
        while not self._closing:
            await self._awake.wait()
            await _settle()
            batch = self._take()
            if batch:
                await self._answer(batch)

    def _take(self) -> list[_Waiting]:
        """The most urgent question and all that wait and are of its sort, up to a batch."""
        batch: list[_Waiting] = []
        others: list[_Waiting] = []
        while self._heap and len(batch) < self._backend.batch_size:
            item = heapq.heappop(self._heap)
            same = not batch or type(item.question) is type(batch[0].question)
            (batch if same else others).append(item)
        for item in others:
            heapq.heappush(self._heap, item)
        if not self._heap:
            self._awake.clear()
        return batch

    async def _answer(self, batch: Sequence[_Waiting]) -> None:
        try:
            answers = await self._put([item.question for item in batch])
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001  (whatever a backend raises fails this batch's rows, with its words)
            answers = [error] * len(batch)
        for item, answer in zip(batch, answers, strict=True):
            self._keep(item, answer)
        self._journal.flush()
        for item, answer in zip(batch, answers, strict=True):
            self._hand_out(item, answer)

    async def _put(self, questions: Sequence[Any]) -> Sequence[Any]:
        if not self._opened:
            await self._backend.open()
            self._opened = True
        ask = self._backend.generate if isinstance(questions[0], Request) else self._backend.choose
        answers = await ask(questions)
        if len(answers) != len(questions):
            name = type(self._backend).__name__
            raise RunError(f"backend {name} gave {len(answers)} answers to {len(questions)} questions")
        return answers

    def _keep(self, item: _Waiting, answer: Any) -> None:
        if not isinstance(answer, BaseException):
            self._journal.keep_answer(item.key, self.use.label, _encode(answer))

    def _hand_out(self, item: _Waiting, answer: Any) -> None:
        del self._flying[item.key]
        if item.future.done():
            return
        if isinstance(answer, BaseException):
            item.future.set_exception(answer)
        else:
            item.future.set_result(answer)

    async def close(self) -> None:
        """Let a batch in flight finish, so that its answers are kept, then free the model."""
        self._heap.clear()
        self._closing = True
        self._awake.set()
        await asyncio.gather(*self._workers, return_exceptions=True)
        if self._opened:
            await self._backend.close()
            self._opened = False


class Dispatcher:
    """The queues of all models of a run."""

    def __init__(self, journal: Journal, build: Callable[[ModelUse], Backend]) -> None:
        self._journal = journal
        self._build = build
        self._queues: dict[str, ModelQueue] = {}

    def queue(self, use: ModelUse) -> ModelQueue:
        if use.fingerprint not in self._queues:
            self._queues[use.fingerprint] = ModelQueue(use, self._build(use), self._journal)
        return self._queues[use.fingerprint]

    async def close(self, keep: frozenset[str] = frozenset()) -> None:
        """Free the models that are not among the fingerprints to keep."""
        for fingerprint in [f for f in self._queues if f not in keep]:
            await self._queues.pop(fingerprint).close()


async def _settle() -> None:
    """Let everybody who is ready ask first, so that batches are full."""
    for _ in range(3):
        await asyncio.sleep(0)


def _tokens(answer: Answer) -> int:
    return answer.prompt_tokens + (answer.completion_tokens if isinstance(answer, Completion) else 0)


def _encode(answer: Answer) -> dict[str, Any]:
    if isinstance(answer, Choice):
        return {"logprobs": list(answer.logprobs), "prompt_tokens": answer.prompt_tokens}
    return {name: getattr(answer, name) for name in Completion.__slots__}


def _decode(kept: dict[str, Any]) -> Answer:
    if "logprobs" in kept:
        return Choice(tuple(kept["logprobs"]), kept["prompt_tokens"])
    return Completion(**kept)
