"""Dispatch: one queue per model, batches of whatever waits, later stages first, nothing asked twice.

While there are new rows, later stages come first, so that rows are finished and memory is bounded.  Once the last row of
a stream was read, earlier stages come first: what has the longest way to go decides when the stream ends (highest level
first: Hu 1961).  A request is looked up in the journal under the digest of all that decides its answer; twins in flight share one
question.  The answer is in the journal before anyone sees it.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from constitutional.backend import Backend, ChoiceRequest, Completion, Request
from constitutional.engine.answers import Answer, Question, call_key, decode, encode, guess, lacks_form, tokens
from constitutional.engine.commit import Commit
from constitutional.engine.meter import Bill, Meter
from constitutional.engine.retry import Breaker, Pace, Throttle, pause_before
from constitutional.engine.seats import Seats
from constitutional.engine.shares import Shares
from constitutional.engine.waiting import Entry, Waiting
from constitutional.errors import ConstitutionalError, NotNow, RunError, Unanswered
from constitutional.plan.step import ModelUse

#: Hears of a model that is not there, or there again: the model's name and a sentence.
Notice = Callable[[str, str], None]

#: Whether to ask again where this answer is known.
Again = Callable[[dict[str, Any]], bool]

#: More than any step is deep.
LAST = 1 << 32
#: Turns of the event loop in which others may still ask, so that batches are full.
SETTLE = 3
#: Timers count in milliseconds.
SHORTEST = 0.001
#: How often to see whether a model has run dry that somebody else waits for.
RESTLESS = 0.05


class Tally(Protocol):
    """Counts a step's calls; `step` and `stage` (`kind/name`) say whose."""

    step: str
    stage: str
    calls: int
    calls_reused: int
    tokens: int


class ModelQueue:
    """All that waits for one model."""

    def __init__(
        self, use: ModelUse, backend: Backend, commit: Commit, notice: Notice, seats: Seats | None = None,
        meter: Meter | None = None,
    ) -> None:  # fmt: skip
        self._meter = meter or Meter()
        self.use = use
        self._seats = seats or Seats()
        self._backend = backend
        backend.notice = lambda said: notice(use.label, said)
        self._commit = commit
        self._journal = commit.journal
        self._notice = notice
        self._heap: list[Entry] = []
        self._flying: dict[str, Waiting] = {}
        self._ending: frozenset[str] = frozenset()
        self._asked_again: set[str] = set()
        self._batches: set[asyncio.Task[None]] = set()
        self._out = 0
        self._shares = Shares()
        self._count = itertools.count()
        self._pumping = False
        #: Whether all that waits here waits for what others in flight will have cost.
        self._starved = False
        self._opening: asyncio.Task[None] | None = None
        self._expected = False
        self._closing = False
        patience = backend.patience
        self._throttle = Throttle(backend.parallel, patience.adaptive)
        self._breaker = Breaker(patience)
        self._pace = Pace(patience.requests_per_minute, patience.tokens_per_minute)

    async def ask(self, question: Question, depth: int, tally: Tally, again: Again | None = None) -> Answer:
        """The answer, from the journal, from a twin in flight, or from the model.

        `again` says of a known answer whether the model is to be asked all the same; it is, once in a run.

        Raises:
            Unanswered: if the model has none.
        """
        key = call_key(question, self.use.fingerprint)
        tally.calls += 1
        known = self._journal.answer(key)
        anew = known is not None and again is not None and key not in self._asked_again and again(known)
        if known and not anew:
            tally.calls_reused += 1
            answer = decode(known)
        else:
            item = self._flying.get(key)
            tally.calls_reused += item is not None
            asker: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
            (item or self._enqueue(question, key, depth, anew, (tally.step, tally.stage))).askers.append(asker)
            answer = await asker
        tally.tokens += tokens(answer)
        return answer

    def _enqueue(self, question: Question, key: str, depth: int, again: bool, by: tuple[str, str]) -> Waiting:
        if again:
            self._asked_again.add(key)
        rank = depth - LAST if by[0] in self._ending else -depth
        item = self._flying[key] = Waiting(rank, next(self._count), question, key, by, again)
        self._push(item)
        return item

    def ending(self, steps: frozenset[str]) -> None:
        """These steps get no new rows: from now on the ones with the longest way to go come first."""
        for item in self._flying.values():
            if item.by[0] in steps - self._ending:
                item.rank = -item.rank - LAST
        self._ending |= steps
        self._heap = [item.urgency for _, _, item in self._heap]
        heapq.heapify(self._heap)

    def _push(self, item: Waiting) -> None:
        heapq.heappush(self._heap, item.urgency)
        self._wake()

    # -- sending -----------------------------------------------------------------------------------------------------

    def _wake(self) -> None:
        """Look at the queue soon: after everybody who is ready has asked, where batches are wanted."""
        if not self._pumping and not self._closing:
            self._pumping = True
            turns = SETTLE if self._backend.batch_size > 1 else 0
            asyncio.get_running_loop().call_soon(self._pump, turns)

    def _pump(self, turns: int) -> None:
        if turns:
            asyncio.get_running_loop().call_soon(self._pump, turns - 1)
            return
        self._pumping = self._starved = False
        while batch := self._next():
            task = asyncio.get_running_loop().create_task(self._serve(batch))
            self._batches.add(task)
            task.add_done_callback(self._batches.discard)

    def _next(self) -> list[Waiting]:
        """What may go out now, booked as gone; nothing where nothing waits, or all has to wait."""
        if not self._heap or self._closing or not self._throttle.room(self._out):
            return []
        wait = max(self._breaker.may_ask(), self._pace.wait(), self._throttle.closed_for())
        if wait > 0:
            if not self._pumping:
                self._pumping = True
                asyncio.get_running_loop().call_later(max(wait, SHORTEST), self._pump, 0)
            return []
        batch = self._take()
        if batch:
            self._book(batch)
        else:
            self._no_room()
        return batch

    def _take(self) -> list[Waiting]:
        """The most urgent question and all that wait and are of its sort, up to a batch and to what the budget allows."""
        batch: list[Waiting] = []
        others: list[Entry] = []
        most = 1 if self._breaker.open else self._backend.batch_size
        while self._heap and len(batch) < most:
            entry = heapq.heappop(self._heap)
            item = entry[2]
            same = not batch or type(item.question) is type(batch[0].question)
            if same and self._meter.take(self.use, item.question):
                batch.append(item)
                continue
            others.append(entry)
            if same:
                break
        for entry in others:
            heapq.heappush(self._heap, entry)
        return batch

    def _no_room(self) -> None:
        """The budget has no room: for ever, or until it is known what those in flight really cost."""
        if over := self._meter.over():
            self._refuse_all(over)
        else:
            self._starved = True
            self._meter.when_there_is_room(self._wake)

    def _book(self, batch: list[Waiting]) -> None:
        now = time.monotonic()
        self._breaker.asked()
        if self._pace.limited:
            self._pace.spend(sum(guess(item.question) for item in batch))
        for item in batch:
            item.attempts += 1
            item.asked_at = now
        self._shares.now(self._out)
        self._out += 1

    async def _serve(self, batch: Sequence[Waiting]) -> None:
        """Put a batch, and then the next one, as long as there is one that need not be gathered first."""
        while batch:
            answers = await self._put(batch)
            self._out -= 1
            done = []
            for item, answer in zip(batch, answers, strict=True):
                self._meter.settle(Bill(*item.by, self.use, item.question, answer, *item.took))
                said = self._weigh(item, answer)
                if said is not None:
                    done.append((item, said))
            self._keep(done)
            batch = self._next() if self._backend.batch_size == 1 else ()
        self._wake()

    async def _put(self, batch: Sequence[Waiting]) -> Sequence[Any]:
        """An answer, or an error in its place, for each; whatever a backend raises is the answer to its whole batch."""
        try:
            await self._open()
            questions: list[Any] = [item.question for item in batch]
            before, since = self._shares.now(self._out), time.monotonic()
            ways: dict[type, Any] = {Request: self._backend.generate, ChoiceRequest: self._backend.choose}
            answers: Sequence[Any] = await ways.get(type(questions[0]), self._backend.weigh)(questions)
            if len(answers) != len(questions):
                name = type(self._backend).__name__
                raise RunError(f"backend {name} gave {len(answers)} answers to {len(questions)} questions")
            share, waited = self._shares.now(self._out) - before, time.monotonic() - since
            for item in batch:
                item.took = (share / len(batch), waited)
        except Exception as error:  # noqa: BLE001  (a backend may fail in any way: its rows say how)
            return [error] * len(batch)
        return answers

    def expect(self) -> None:
        """Questions will come soon."""
        if type(self._backend).expect is not Backend.expect and not self._expected:
            self._expected = True
            self._backend.expect()

    async def _open(self) -> None:
        if self._opening is None:
            self._opening = asyncio.create_task(self._open_in_turn())
        if self._opening.done():
            self._opening.result()
        else:
            await asyncio.shield(self._opening)

    async def _open_in_turn(self) -> None:
        await self._seats.take(self, self._backend.claims)
        await self._backend.open()

    async def rest(self) -> None:
        """Close when there is nothing to do, and open again when there is."""
        while (self._heap and not self._starved) or self._out:
            await asyncio.sleep(RESTLESS)
        await self._shut()

    # -- receiving ---------------------------------------------------------------------------------------------------

    def _weigh(self, item: Waiting, answer: Any) -> Any:
        """The answer to hand out, or None where the question is to be asked again."""
        if isinstance(answer, NotNow):
            return self._not_now(item, answer)
        if isinstance(answer, Completion) and lacks_form(item.question, answer):
            answer = Unanswered("not-json", answer.text[:200])
        if isinstance(answer, ConstitutionalError) and not isinstance(answer, Unanswered):
            self._refuse_all(answer)
        if not isinstance(answer, BaseException):
            if self._pace.limited:
                self._pace.correct(tokens(answer) - guess(item.question))
            self._throttle.answered()
        if self._breaker.answered():
            self._notice(self.use.label, "answers again")
        return answer

    def _not_now(self, item: Waiting, error: NotNow) -> BaseException | None:
        patience = self._backend.patience
        if error.busy:
            self._throttle.refused(item.asked_at, error.after)
        if self._breaker.failed(self._out, error.gone):
            self._notice(self.use.label, f"does not answer ({error}); everything that asks it waits until it does")
        if self._breaker.gone_for > patience.give_up_after:
            hint = "see whether the server runs; the same command goes on where this run stopped"
            fatal = RunError(
                f"model {self.use.label} has answered nothing for {self._breaker.gone_for:.0f} s ({error})", help=hint
            )
            self._refuse_all(fatal)
            return fatal
        if self._breaker.open and error.gone:
            item.attempts -= 1
        if item.attempts >= patience.attempts:
            return Unanswered(error.reason, f"{error.detail} (asked {item.attempts} times)".strip())
        if self._closing:
            return error
        if self._breaker.open:
            # Somebody else is to feel whether the model is back: this question may be what it cannot bear.
            item.place = next(self._count)
        wait = 0.0 if self._breaker.open else pause_before(max(1, item.attempts), error, patience)
        asyncio.get_running_loop().call_later(wait, self._push, item)
        return None

    def _refuse_all(self, error: ConstitutionalError) -> None:
        """What ends the run for one question ends it for all that wait: not one more goes out."""
        waiting, self._heap = self._heap, []
        for _, _, item in waiting:
            self._hand_out(item, error)

    def _keep(self, done: Sequence[tuple[Waiting, Any]]) -> None:
        """Hand out what was said once it has survived; failures need no keeping."""
        answered = []
        for item, said in done:
            if isinstance(said, BaseException):
                self._hand_out(item, said)
                continue
            answered.append((item, said))
            self._journal.keep_answer(item.key, self.use.label, encode(said), replace=item.again)

        def safe(failure: BaseException | None) -> None:
            for item, said in answered:
                self._hand_out(item, failure or said)

        if answered:
            self._commit.then(safe)

    def _hand_out(self, item: Waiting, said: Any) -> None:
        del self._flying[item.key]
        for asker in item.askers:
            if asker.done():
                continue
            if isinstance(said, BaseException):
                asker.set_exception(said)
            else:
                asker.set_result(said)

    async def close(self) -> None:
        """Let what is in flight finish, so that its answers are kept, then free the model."""
        self._heap.clear()
        self._closing = True
        await asyncio.gather(*self._batches, return_exceptions=True)
        await self._shut()
        self._seats.leave(self)

    async def _shut(self) -> None:
        opening, self._opening = self._opening, None
        if opening is not None:
            await asyncio.gather(opening, return_exceptions=True)
        if opening is not None or self._expected:
            self._expected = False
            await self._backend.close()


class Dispatcher:
    """The queues of all models of a run."""

    def __init__(
        self,
        commit: Commit,
        build: Callable[[ModelUse], Backend],
        notice: Notice | None = None,
        meter: Meter | None = None,
    ) -> None:
        self.commit = commit
        self.meter = meter or Meter()
        self._build = build
        self._notice = notice or (lambda model, said: None)
        self._queues: dict[str, ModelQueue] = {}
        self._ending: frozenset[str] = frozenset()
        self._seats = Seats()

    def queue(self, use: ModelUse) -> ModelQueue:
        queue = self._queues.get(use.fingerprint)
        if queue is None:
            queue = ModelQueue(use, self._build(use), self.commit, self._notice, self._seats, self.meter)
            queue.ending(self._ending)
            self._queues[use.fingerprint] = queue
        return queue

    def ending(self, steps: frozenset[str]) -> None:
        """The last row that these steps will ever see is under way: see to it that none is late."""
        self._ending |= steps
        for queue in self._queues.values():
            queue.ending(steps)

    async def close(self, keep: frozenset[str] = frozenset()) -> None:
        """Free the models that are not among the fingerprints to keep: all of them, also where one will not go."""
        failures = []
        for fingerprint in [f for f in self._queues if f not in keep]:
            try:
                await self._queues.pop(fingerprint).close()
            except Exception as failure:  # noqa: BLE001  (a backend may fail in any way; the others are to be freed first)
                failures.append(failure)
        if failures:
            raise failures[0]
