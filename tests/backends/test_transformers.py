"""The transformers backend on tiny random models: the same row gives the same answer in any company."""

from __future__ import annotations

from pathlib import Path

import pytest

from constitutional.api import Request
from tests.backends import tiny
from tests.backends.asked import dialogues, one_by_one, sampled
from tests.backends.conftest import generate, opened

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


# -- adapters, system prompts ------------------------------------------------------------------------------------------------


def test_an_adapter_changes_answers_as_its_merged_weights_do(llama: Path, tmp_path: Path) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    small = tiny.adapter(llama, tmp_path / "adapter")
    merged = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(llama), small).merge_and_unload()
    merged.save_pretrained(tmp_path / "merged")
    AutoTokenizer.from_pretrained(llama).save_pretrained(tmp_path / "merged")
    requests = [Request(d, max_new_tokens=8) for d in dialogues(8)]
    with_adapter = generate(opened(llama, adapter=small), requests)
    assert with_adapter == generate(opened(tmp_path / "merged"), requests)
    assert with_adapter != generate(opened(llama), requests)


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
