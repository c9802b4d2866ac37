"""A judge as a reward: the score that it expects, read from the log-probabilities of the scale."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from constitutional.api import (
    Backend,
    Choice,
    ChoiceRequest,
    Constitution,
    Messages,
    NotNow,
    Principle,
    Unanswered,
    UserError,
    digest,
    row_random,
    to_json,
    transcript,
)
from constitutional.builtin.backends.loading import is_folder
from constitutional.builtin.principles import selected
from constitutional.builtin.rewards.contract import Metas, Scored, finite
from constitutional.builtin.rewards.expression import Judge, Server

#: `RowContext.render` and its like: a template's name and values in, a dialogue out.
Render = Callable[..., Messages]


def principles_of(asked: Judge, constitution: Constitution) -> Sequence[Principle]:
    """What a judge may rate by.

    Raises:
        UserError: if the constitution has nothing of what is asked for.
    """
    if asked.rule is None:
        return selected(constitution, asked.groups)
    return (Principle("rule", asked.rule, asked.rule, asked.rule, asked.rule),)


class Court:
    """What every judge of one expression shares: the model, loaded once, the constitution and the words of the question."""

    def __init__(self, model: str | None, constitution: Constitution, template: str, render: Render) -> None:
        self._model = model
        self._constitution = constitution
        self._template = template
        self._render = render
        self._asked: dict[str, Asker] = {}

    def judge(self, asked: Judge, batch: int) -> JudgeScorer:
        """The scorer of one judge in an expression.

        Raises:
            UserError: if there is no model to ask, or no principle to rate by.
        """
        key = "" if asked.server is None else asked.server.model_dump_json()
        if key not in self._asked:
            self._asked[key] = Asker(self._local(batch) if asked.server is None else _served(asked.server))
        principles = principles_of(asked, self._constitution)
        return JudgeScorer(asked, self._asked[key], principles, self._template, self._render)

    def _local(self, batch: int) -> Backend:
        from constitutional.builtin.backends.transformers import TransformersBackend, TransformersParams

        if self._model is None:
            raise UserError(
                "the reward has a judge, but none is connected", help="connect `judge: MODEL`, or write `server`"
            )
        params = TransformersParams(model=self._model, batch_size=batch)
        return TransformersBackend(
            TransformersBackend.trained(params, Path(self._model)) if is_folder(self._model) else params
        )


def _served(server: Server) -> Backend:
    from constitutional.builtin.backends.openai import OpenAIBackend, OpenAIParams

    return OpenAIBackend(OpenAIParams(**dict(server), choices="logprobs"))


class Asker:
    """A backend that is asked from a plain function, and again where it could not answer just then.

    A server is connected to anew for every batch: connections belong to one event loop, and none is left behind.
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._local = backend.parallel == 1
        self._opened = False

    def choose(self, requests: Sequence[ChoiceRequest]) -> list[Choice | Unanswered]:
        """The answer to each request, in their order; must not be called from a running event loop.

        Raises:
            UserError: if the model cannot be loaded or reached at all.
        """
        return asyncio.run(self._choose(requests))

    async def _choose(self, requests: Sequence[ChoiceRequest]) -> list[Choice | Unanswered]:
        if not self._opened:
            await self._backend.open()
            self._opened = self._local
        try:
            return await self._patiently(requests)
        finally:
            if not self._local:
                await self._backend.close()

    async def _patiently(self, requests: Sequence[ChoiceRequest]) -> list[Choice | Unanswered]:
        patience = self._backend.patience
        found: dict[int, Choice | Unanswered | NotNow] = {}
        for attempt in range(patience.attempts):
            waiting = [at for at in range(len(requests)) if not isinstance(found.get(at), (Choice, Unanswered))]
            if not waiting:
                break
            if attempt:
                await asyncio.sleep(min(patience.longest_wait, patience.first_wait * 2**attempt))
            said = await self._backend.choose([requests[at] for at in waiting])
            found.update(zip(waiting, said, strict=True))
        given = (found[at] for at in range(len(requests)))
        return [Unanswered(one.reason, str(one)) if isinstance(one, NotNow) else one for one in given]


class JudgeScorer:
    """The expected score of a judge, from the scale's ends at -1 and 1.

    Direct rating as a reward, d-RLAIF: Lee et al. 2023 (arXiv 2309.00267), section 3.2: the likelihoods of the scores
    1 to 10, normalised, weigh the scores, and the mean is brought to [-1, 1].  Scores are weighed as texts, since "10"
    is more than one token for most tokenizers.  Which principles are drawn is decided by the prompt alone: answers to
    one prompt are rated by the same, in whatever stage.
    """

    def __init__(
        self, asked: Judge, asker: Asker, principles: Sequence[Principle], template: str, render: Render
    ) -> None:
        self._judge = asked
        self._asker = asker
        self._principles = principles
        self._template = template
        self._render = render

    def score(self, dialogues: Sequence[Messages], metas: Metas = None) -> list[Scored]:
        requests: list[ChoiceRequest] = []
        rated: list[list[tuple[int, float]] | None] = []
        for dialogue in dialogues:
            if not dialogue or dialogue[-1].role != "assistant" or not dialogue[-1].content.strip():
                rated.append(None)
                continue
            by = drawn(self._principles, self._judge.principles, dialogue[:-1])
            rated.append([(len(requests) + at, principle.weight) for at, principle in enumerate(by)])
            requests += [self._request(dialogue, principle) for principle in by]
        said = self._asker.choose(requests) if requests else []
        return [Scored(None, "empty") if one is None else self._mean(one, said) for one in rated]

    @cached_property
    def _scale(self) -> tuple[str, ...]:
        return tuple(str(score) for score in range(self._judge.low, self._judge.high + 1))

    def _request(self, dialogue: Messages, principle: Principle) -> ChoiceRequest:
        values: Mapping[str, Any] = {
            "transcript": transcript(dialogue[:-1]), "response": dialogue[-1].content, "principle": principle.to_json(),
            "low": self._judge.low, "high": self._judge.high,
        }  # fmt: skip
        return ChoiceRequest(self._render(self._template, **values), self._scale)

    def _mean(self, asked: Sequence[tuple[int, float]], said: Sequence[Choice | Unanswered]) -> Scored:
        numbers: list[tuple[float, float]] = []
        for place, weight in asked:
            one = self._number(said[place])
            if one.value is None:
                return one
            numbers.append((one.value, weight))
        total = sum(weight for _, weight in numbers)
        return finite(sum(value * weight for value, weight in numbers) / total)

    def _number(self, said: Choice | Unanswered) -> Scored:
        from constitutional.builtin.labellers.judging import shares
        from constitutional.builtin.labellers.score import expected

        if isinstance(said, Unanswered):
            return Scored(None, f"judge: {said.reason}")
        found = shares(said, self._scale, self._judge.min_mass)
        low, high = self._judge.low, self._judge.high
        value = expected(range(low, high + 1), found.of)
        if value is None:
            return Scored(None, f"judge: {found.abstained}")
        return finite(2 * (value - low) / (high - low) - 1)


def drawn(principles: Sequence[Principle], count: int | str, prompt: Messages) -> Sequence[Principle]:
    """`count` principles without repetition, by weight, as the prompt alone decides: the races of Efraimidis and
    Spirakis 2006; `all` of them in their order."""
    if count == "all" or int(count) >= len(principles):
        return principles
    random = row_random(0, "reward/judge", digest(to_json(prompt)))
    raced = sorted(((random.random() ** (1 / p.weight), p.id, p) for p in principles), reverse=True)
    return [principle for _, _, principle in raced[: int(count)]]
