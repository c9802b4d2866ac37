"""The transformers backend on tiny random models: the same row gives the same answer in any company."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from constitutional.api import Choice, ChoiceRequest, Completion, Request, Unanswered, user
from constitutional.builtin.backends import batches
from tests.backends import tiny
from tests.backends.conftest import choose, generate, opened

WORDS = ["the", "quick", "brown", "fox", "jumps", "over", "a", "lazy", "dog", "and", "then", "some"]


def dialogues(count: int, seed: int = 0, most: int = 8) -> list[Any]:
    draw = random.Random(seed)
    return [(user(" ".join(draw.choices(WORDS, k=draw.randint(1, most)))),) for _ in range(count)]


def sampled(count: int, **more: Any) -> list[Request]:
    return [Request(d, max_new_tokens=12, temperature=1.0, seed=i, **more) for i, d in enumerate(dialogues(count))]


def one_by_one(backend: Any, requests: Sequence[Request]) -> list[Any]:
    return [generate(backend, [request])[0] for request in requests]


# -- the same at any batch size -----------------------------------------------------------------------------------------


def test_rows_sampled_alone_and_in_company_are_the_same(folder: Path) -> None:
    backend = opened(folder)
    requests = sampled(64)
    assert generate(backend, requests) == one_by_one(backend, requests)


def test_deterministic_rows_are_the_same_in_any_order_and_batch(folder: Path) -> None:
    requests = sampled(48)
    wide, narrow = (
        opened(folder, deterministic=True),
        opened(folder, deterministic=True, batch_size=5, max_batch_tokens=300),
    )
    expected = one_by_one(wide, requests)
    assert generate(wide, requests) == expected
    assert generate(narrow, requests) == expected
    assert generate(wide, requests[::-1])[::-1] == expected


def test_the_seed_decides_and_the_sample_does_not_repeat(llama: Path) -> None:
    backend = opened(llama)
    ask = dialogues(1)[0]
    texts = [
        generate(backend, [Request(ask, max_new_tokens=12, temperature=1.0, seed=seed)])[0].text
        for seed in (1, 1, 2, 3)
    ]
    assert texts[0] == texts[1]
    assert len(set(texts)) == 3


def test_greedy_is_what_transformers_generate_gives(folder: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    backend = opened(folder)
    model, tok = (
        AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32),
        AutoTokenizer.from_pretrained(folder),
    )
    asked = dialogues(20, seed=4)
    ours = generate(backend, [Request(d, max_new_tokens=16) for d in asked])
    for dialogue, answer in zip(asked, ours, strict=True):
        shown = tok.apply_chat_template(
            [turn.to_json() for turn in dialogue], tokenize=False, add_generation_prompt=True
        )
        ids = tok(shown, add_special_tokens=False, return_tensors="pt")
        made = model.generate(**ids, max_new_tokens=16, do_sample=False)[0, ids["input_ids"].shape[1] :]
        assert answer.text == tok.decode(made, skip_special_tokens=True).strip()
        assert answer.completion_tokens == len(made)
        assert answer.prompt_tokens == ids["input_ids"].shape[1]


def test_greedy_and_sampled_rows_share_a_batch(llama: Path) -> None:
    backend = opened(llama)
    requests = [Request(d, max_new_tokens=9, temperature=float(i % 2), seed=i) for i, d in enumerate(dialogues(12))]
    assert generate(backend, requests) == one_by_one(backend, requests)


# -- how an answer ends ---------------------------------------------------------------------------------------------------


def test_a_row_that_reaches_max_new_tokens_says_length(llama: Path) -> None:
    found = generate(
        opened(llama), [Request(d, max_new_tokens=n) for d, n in zip(dialogues(6), (1, 2, 3, 4, 5, 6), strict=True)]
    )
    for n, answer in enumerate(found, start=1):
        assert answer.completion_tokens <= n
        assert answer.finish_reason == (
            "length" if answer.completion_tokens == n and answer.finish_reason != "stop" else "stop"
        )
    assert any(answer.finish_reason == "length" for answer in found)


def test_every_end_that_the_generation_config_lists_ends_the_answer(llama: Path, tmp_path: Path) -> None:
    from transformers import GenerationConfig

    asked = [Request(d, max_new_tokens=16) for d in dialogues(10)]
    usual = opened(llama)
    second = usual._encoder.text(generate(usual, asked[:1])[0].text)[1]
    other = tiny.save(tmp_path / "ends")
    GenerationConfig(eos_token_id=[256, second]).save_pretrained(other)
    answer = generate(opened(other), asked[:1])[0]
    assert answer.finish_reason == "stop"
    assert answer.completion_tokens == 2


def test_a_stop_string_ends_the_answer_and_is_left_out(llama: Path) -> None:
    backend = opened(llama)
    ask = dialogues(1)[0]
    whole = generate(backend, [Request(ask, max_new_tokens=16)])[0].text
    stop = whole[4:6]
    cut = generate(backend, [Request(ask, max_new_tokens=16, stop=(stop,))])[0]
    assert cut.text == whole.partition(stop)[0].strip()
    assert cut.finish_reason == "stop"


def test_the_stop_string_that_comes_first_wins(llama: Path) -> None:
    backend = opened(llama)
    ask = dialogues(1)[0]
    whole = generate(backend, [Request(ask, max_new_tokens=16)])[0].text
    late, early = whole[8:10], whole[3:5]
    cut = generate(backend, [Request(ask, max_new_tokens=16, stop=(late, early))])[0]
    assert cut.text == whole.partition(early)[0].strip()


def test_a_small_top_p_is_greedy_and_one_changes_nothing(llama: Path) -> None:
    backend = opened(llama)
    ask = dialogues(8)
    greedy = generate(backend, [Request(d, max_new_tokens=8) for d in ask])
    narrow = generate(
        backend, [Request(d, max_new_tokens=8, temperature=1.0, top_p=1e-6, seed=i) for i, d in enumerate(ask)]
    )
    assert [a.text for a in narrow] == [a.text for a in greedy]


def test_samples_follow_the_models_probabilities_within_the_nucleus(llama: Path) -> None:
    import torch

    from constitutional.builtin.backends import sampling

    backend = opened(llama)
    ask = dialogues(1)[0]
    with torch.inference_mode():
        logits = backend._model(input_ids=torch.tensor([backend._encoder.encode(ask)])).logits[:, -1]
    truth = torch.softmax(logits[0].double(), -1)
    ordered, order = truth.sort(descending=True)
    kept = order[: int(((ordered.cumsum(-1) - ordered) < 0.8).sum())].tolist()
    counts: dict[int, int] = {}
    for seed in range(3000):
        row = sampling.Row(Request(ask, temperature=1.0, top_p=0.8, seed=seed), [])
        token = sampling.next_tokens(logits, [row])[0]
        counts[token] = counts.get(token, 0) + 1
    assert set(counts) <= set(kept)
    for token in kept[:5]:
        share = float(truth[token] / truth[kept].sum())
        assert counts.get(token, 0) / 3000 == pytest.approx(share, abs=4 * (share * (1 - share) / 3000) ** 0.5 + 1e-9)


# -- what cannot be answered ---------------------------------------------------------------------------------------------


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


# -- options ---------------------------------------------------------------------------------------------------------------

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


# -- batches ---------------------------------------------------------------------------------------------------------------


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


# -- what decides the answers ------------------------------------------------------------------------------------------------


def test_identity_is_the_content_and_not_the_path(llama: Path, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(llama, tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "README.md").write_text("a card")
    assert identity(tmp_path / "elsewhere") == identity(llama)


def test_identity_changes_with_weights_template_and_precision(llama: Path, tmp_path: Path) -> None:
    import shutil

    other = tiny.save(tmp_path / "other", seed=1)
    shutil.copytree(llama, tmp_path / "template")
    (tmp_path / "template" / "chat_template.jinja").write_text("{{ messages }}")
    seen = [
        identity(llama),
        identity(other),
        identity(tmp_path / "template"),
        identity(llama, deterministic=True),
        identity(llama, system="be kind"),
    ]
    assert len({str(one) for one in seen}) == len(seen)


def test_identity_does_not_change_with_what_only_changes_the_speed(llama: Path) -> None:
    assert identity(llama) == identity(llama, batch_size=3, max_batch_tokens=99, device="cpu")


def identity(folder: Path, **params: Any) -> Any:
    from constitutional.builtin.backends.transformers import TransformersBackend, TransformersParams

    return TransformersBackend(TransformersParams(model=str(folder), **params)).identity()


# -- adapters, system prompts ------------------------------------------------------------------------------------------------


def adapter(llama: Path, folder: Path) -> Path:
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    with torch.random.fork_rng():
        torch.manual_seed(3)
        made = get_peft_model(
            AutoModelForCausalLM.from_pretrained(llama),
            LoraConfig(r=4, target_modules="all-linear", init_lora_weights=False),
        )
    made.save_pretrained(folder)
    return folder


def test_an_adapter_changes_answers_as_its_merged_weights_do(llama: Path, tmp_path: Path) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    small = adapter(llama, tmp_path / "adapter")
    merged = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(llama), small).merge_and_unload()
    merged.save_pretrained(tmp_path / "merged")
    AutoTokenizer.from_pretrained(llama).save_pretrained(tmp_path / "merged")
    requests = [Request(d, max_new_tokens=8) for d in dialogues(8)]
    with_adapter = generate(opened(llama, adapter=small), requests)
    assert with_adapter == generate(opened(tmp_path / "merged"), requests)
    assert with_adapter != generate(opened(llama), requests)


def test_an_adapter_has_a_part_in_the_identity(llama: Path, tmp_path: Path) -> None:
    assert identity(llama, adapter=adapter(llama, tmp_path / "adapter")) != identity(llama)


def test_a_system_prompt_stands_before_dialogues_that_have_none(llama: Path) -> None:
    from constitutional.api import Message

    asked = dialogues(1)[0]
    system = Message("system", "be kind")
    plain, with_system = opened(llama), opened(llama, system="be kind")
    assert generate(with_system, [Request(asked, max_new_tokens=8)]) == generate(
        plain, [Request((system, *asked), max_new_tokens=8)]
    )
    own = Request((Message("system", "own"), *asked), max_new_tokens=8)
    assert generate(with_system, [own]) == generate(plain, [own])
