"""Options are weighed as texts, the same in any company."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from constitutional.api import ChoiceRequest
from tests.backends.asked import dialogues
from tests.backends.conftest import choose, opened

OPTIONS = [
    ("A", "B"),
    ("yes", "no", "I cannot tell"),
    ("1", "10", "100"),
    ("same", "same but longer"),
    ("é", "日本", "🙂"),
]


def naive(backend: Any, dialogue: Any, options: Sequence[str]) -> list[float]:
    """Each option by itself: the whole text through the model, and the option's tokens' log-probabilities added up."""
    import torch

    prompt = backend._encoder.encode(dialogue)
    encoded = [backend._encoder.text(option) for option in options]
    nested = any(i != j and b[: len(a)] == a for i, a in enumerate(encoded) for j, b in enumerate(encoded))
    totals = []
    for ids in encoded:
        whole = [*ids, backend._end] if nested else ids
        with torch.inference_mode():
            logits = backend._model(input_ids=torch.tensor([prompt + whole])).logits[0]
        logs = torch.log_softmax(logits.float(), -1)
        totals.append(sum(float(logs[len(prompt) - 1 + i, token]) for i, token in enumerate(whole)))
    return totals


@pytest.mark.parametrize("options", OPTIONS, ids="-".join)
def test_options_are_weighed_as_one_by_one(folder: Path, options: tuple[str, ...]) -> None:
    backend = opened(folder)
    asked = dialogues(10, seed=3)
    for dialogue, found in zip(asked, choose(backend, [ChoiceRequest(d, options) for d in asked]), strict=True):
        assert found.logprobs == pytest.approx(naive(backend, dialogue, options), abs=2e-4)


def test_options_of_different_questions_share_a_batch(folder: Path) -> None:
    backend = opened(folder)
    requests = [ChoiceRequest(d, OPTIONS[i % len(OPTIONS)]) for i, d in enumerate(dialogues(30))]
    together = choose(backend, requests)
    for request, found in zip(requests, together, strict=True):
        alone = choose(backend, [request])[0]
        assert found.logprobs == pytest.approx(alone.logprobs, abs=1e-4)
        assert found.prompt_tokens == alone.prompt_tokens


def test_deterministic_options_do_not_depend_on_their_batch(llama: Path) -> None:
    backend = opened(llama, deterministic=True)
    requests = [ChoiceRequest(d, OPTIONS[i % len(OPTIONS)]) for i, d in enumerate(dialogues(30))]
    assert choose(backend, requests) == [choose(backend, [request])[0] for request in requests]


def test_an_option_that_begins_another_does_not_contain_its_probability(llama: Path) -> None:
    backend = opened(llama)
    short, _ = choose(backend, [ChoiceRequest(dialogues(1)[0], ("1", "10"))])[0].logprobs
    alone = choose(backend, [ChoiceRequest(dialogues(1)[0], ("1", "2"))])[0].logprobs[0]
    assert short < alone


def test_an_empty_option_is_the_end_of_the_turn(llama: Path) -> None:
    backend = opened(llama)
    found = choose(backend, [ChoiceRequest(dialogues(1)[0], ("", "A"))])[0]
    assert found.logprobs == pytest.approx(naive(backend, dialogues(1)[0], ("", "A")), abs=2e-4)
