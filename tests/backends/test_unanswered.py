"""What a model cannot answer, and batches that do not fit into memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from constitutional.api import Choice, ChoiceRequest, Completion, Request, Unanswered, user
from constitutional.builtin.backends import batches
from tests.backends import tiny
from tests.backends.asked import dialogues, sampled
from tests.backends.conftest import choose, generate, opened


def test_a_prompt_that_does_not_fit_is_unanswered_and_its_neighbours_are_not(llama: Path) -> None:
    long = Request((user("x" * tiny.CONTEXT),), max_new_tokens=4)
    short = Request(dialogues(1)[0], max_new_tokens=4)
    backend = opened(llama)
    first, second, third = generate(backend, [short, long, short])
    assert isinstance(second, Unanswered)
    assert second.reason == "prompt-too-long"
    assert first == third == generate(backend, [short])[0]
    assert choose(backend, [ChoiceRequest(long.messages, ("A", "B"))])[0].reason == "prompt-too-long"


def test_a_dialogue_that_the_template_refuses_is_unanswered_and_its_neighbours_are_not(tmp_path: Path) -> None:
    from tests.backends.families import FAMILIES

    folder = tiny.save(tmp_path / "mistral", family=next(f for f in FAMILIES if f.name == "mistral"))
    backend = opened(folder)
    bad, good = (user("a"), user("b")), (user("a"),)
    refused, answered = generate(backend, [Request(bad, max_new_tokens=3), Request(good, max_new_tokens=3)])
    assert isinstance(refused, Unanswered)
    assert "roles must alternate" in str(refused)
    assert isinstance(answered, Completion)
    refused, answered = choose(backend, [ChoiceRequest(bad, ("A", "B")), ChoiceRequest(good, ("A", "B"))])
    assert isinstance(refused, Unanswered)
    assert isinstance(answered, Choice)


def test_no_requests_no_answers(llama: Path) -> None:
    backend = opened(llama)
    assert generate(backend, []) == []
    assert choose(backend, []) == []


class Small:
    """A model with memory for `rows` rows."""

    def __init__(self, model: Any, rows: int) -> None:
        self._model, self._rows = model, rows
        self.refused = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def __call__(self, **inputs: Any) -> Any:
        import torch

        if len(inputs["input_ids"]) > self._rows:
            self.refused += 1
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate")
        return self._model(**inputs)


@pytest.mark.parametrize("rows", [1, 3, 7])
def test_when_memory_runs_out_the_batch_is_halved_and_answers_stay_the_same(llama: Path, rows: int) -> None:
    backend = opened(llama)
    requests = sampled(16)
    expected = generate(backend, requests)
    backend._model = Small(backend._model, rows)
    assert generate(backend, requests) == expected
    assert backend._model.refused


def test_a_row_that_alone_does_not_fit_is_unanswered(llama: Path) -> None:
    backend = opened(llama)
    backend._model = Small(backend._model, 0)
    assert [answer.reason for answer in generate(backend, sampled(3))] == ["out-of-memory"] * 3


def test_options_are_halved_too(llama: Path) -> None:
    backend = opened(llama)
    requests = [ChoiceRequest(d, ("yes please", "no thanks", "maybe")) for d in dialogues(8)]
    expected = choose(backend, requests)
    backend._model = Small(backend._model, 4)
    for found, wanted in zip(choose(backend, requests), expected, strict=True):
        assert found.logprobs == pytest.approx(wanted.logprobs, abs=1e-4)


def test_other_errors_of_the_model_are_not_taken_for_memory(llama: Path) -> None:
    with pytest.raises(RuntimeError, match="shape"):
        batches.halving(lambda _: (_ for _ in ()).throw(RuntimeError("shape mismatch")), [1, 2])


@given(st.lists(st.integers(0, 3000), max_size=200), st.integers(1, 64), st.integers(1, 8000))
def test_batches_hold_every_row_once_and_waste_little(lengths: list[int], rows: int, tokens: int) -> None:
    made = list(batches.by_length(lengths, most_rows=rows, most_tokens=tokens))
    assert sorted(index for batch in made for index in batch) == list(range(len(lengths)))
    for batch in made:
        longest = max(lengths[i] for i in batch)
        assert len(batch) <= rows
        assert len(batch) == 1 or len(batch) * longest <= tokens
        assert sum(lengths[i] for i in batch) >= (1 - batches.MOST_PADDING) * len(batch) * longest - 1e-6
    assert batches.padding(lengths, made) <= batches.MOST_PADDING + 1e-9
