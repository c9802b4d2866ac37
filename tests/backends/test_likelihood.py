"""Log-probabilities of given texts: against the model alone, one text at a time."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from constitutional.api import Likelihood, LikelihoodRequest, Unanswered, user
from constitutional.builtin.backends import likelihood
from tests.backends.conftest import opened

TEXTS = ("Yes.", "I cannot help with that, I am afraid.", "", "日本 🙂", "one two three " * 4)


def requests(ended: bool = True) -> list[LikelihoodRequest]:
    return [LikelihoodRequest((user(f"Where is order {'9' * i}?"),), text, ended) for i, text in enumerate(TEXTS)]


def weigh(backend: Any, asked: Any) -> list[Any]:
    return list(asyncio.run(backend.weigh(asked)))


def by_hand(backend: Any, request: LikelihoodRequest) -> list[float]:
    import torch

    prompt, text = backend._encoder.encode(request.messages), backend._encoder.text(request.completion)
    whole = [*text, backend._end] if request.ended else text
    with torch.inference_mode():
        logits = backend._model(input_ids=torch.tensor([prompt + whole])).logits[0]
    logs = torch.log_softmax(logits.float(), -1)
    return [float(logs[len(prompt) - 1 + i, token]) for i, token in enumerate(whole)]


@pytest.mark.parametrize("ended", [True, False])
def test_each_token_has_its_log_probability(folder: Path, ended: bool) -> None:
    backend = opened(folder)
    for request, found in zip(requests(ended), weigh(backend, requests(ended)), strict=True):
        assert found.logprobs == pytest.approx(by_hand(backend, request), abs=2e-4)
        assert len(found.tokens) == len(found.logprobs)
        assert found.prompt_tokens == len(backend._encoder.encode(request.messages))


def test_many_at_once_are_as_one_by_one_and_so_is_a_vocabulary_that_fills_memory(
    llama: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = opened(llama, deterministic=True)
    together = weigh(backend, requests())
    assert together == [weigh(backend, [one])[0] for one in requests()]
    monkeypatch.setattr(likelihood, "MOST_LOGITS", 1)
    assert weigh(backend, requests()) == together


def test_the_end_of_a_turn_is_whatever_may_end_it(llama: Path) -> None:
    import math

    backend = opened(llama)
    request = LikelihoodRequest((user("Where is it?"),), "Here.")
    before = weigh(backend, [request])[0].logprobs[-1]
    other = next(index for index in range(5) if index != backend._end)
    backend._ends = frozenset([backend._end, other])
    both = weigh(backend, [request])[0].logprobs[-1]
    backend._ends, backend._end = frozenset([other]), other
    alone = weigh(backend, [request])[0].logprobs[-1]
    assert math.exp(both) == pytest.approx(math.exp(before) + math.exp(alone), rel=1e-3)


def test_a_control_token_in_a_text_is_text(llama: Path) -> None:
    backend = opened(llama)
    (found,) = weigh(backend, [LikelihoodRequest((user("hi"),), backend._encoder.tokenizer.eos_token, ended=False)])
    assert backend._end not in found.tokens


def test_what_does_not_fit_is_unanswered_and_its_neighbours_are_not(llama: Path) -> None:
    backend = opened(llama)
    long, short = weigh(backend, [LikelihoodRequest((user("hi"),), "word " * 400), requests()[0]])
    assert isinstance(long, Unanswered)
    assert long.reason == "prompt-too-long"
    assert isinstance(short, Likelihood)


def test_no_probability_at_all_is_unanswered(llama: Path) -> None:
    backend = opened(llama)
    model = backend._model

    class Without:
        """The model, which never says one token."""

        device, config = model.device, model.config

        def __call__(self, **values: Any) -> Any:
            said = model(**values)
            said.logits[..., backend._encoder.text("Yes.")[0]] = -float("inf")
            return said

    backend._model = Without()
    assert weigh(backend, [requests()[0]])[0].reason == "no-probability"


def test_the_journal_keeps_it_as_it_is() -> None:
    from constitutional.engine.answers import call_key, decode, encode, tokens, used

    found = Likelihood((5, 7), (-1.5, -0.25), 11)
    assert decode(encode(found)) == found
    assert (tokens(found), used(requests()[0], found)) == (13, (13, 0))
    keys = {call_key(one, "m") for one in (*requests(), *requests(ended=False))}
    assert len(keys) == 2 * len(TEXTS)
