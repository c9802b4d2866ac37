"""The figures of a watch, by hand."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch

from constitutional.api import Prompt
from constitutional.builtin.backends.encoding import DialogueEncoder
from constitutional.builtin.rewards.contract import Scored
from constitutional.builtin.rewards.rules import Rules, RuleScorer
from constitutional.builtin.trainers.watch.observer import Models, Observer, Rewards
from tests.trainers import bandit


class ByAnswer:
    """Scores an answer by a table; others have no score."""

    def __init__(self, **table: float) -> None:
        self.table = table

    def score(self, dialogues: Any) -> list[Scored]:
        found = [self.table.get(dialogue[-1].content) for dialogue in dialogues]
        return [Scored(value, "" if value is not None else "not in the table") for value in found]


def observer(policy: Any, reference: Any, folder: Path, prompts: list[Prompt], rewards: Rewards, tokens: int, temperature: float) -> Observer:  # fmt: skip
    from transformers import AutoTokenizer

    encoder = DialogueEncoder(AutoTokenizer.from_pretrained(folder))
    asked = [(row, encoder.encode(row.prompt)) for row in prompts]
    end = encoder.tokenizer.eos_token_id
    models = Models(policy, lambda ids, last: reference(input_ids=ids, logits_to_keep=last).logits)
    return Observer(
        models, encoder, encoder.tokenizer.pad_token_id, frozenset([end]), asked, rewards, tokens, temperature, 3
    )


def test_divergence_and_entropy_are_those_of_the_distributions(arms: Path, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM

    other = bandit.save(tmp_path / "other", seed=4)
    policy, reference = (AutoModelForCausalLM.from_pretrained(place).eval() for place in (arms, other))
    policy.train()
    eye = observer(policy, reference, arms, bandit.held_out(2), Rewards(RuleScorer(Rules(max_words=1))), 1, 0.5)
    before = torch.random.get_rng_state()
    found = eye.measure(5)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert policy.training
    for index, (_, ids) in enumerate(eye.prompts):
        with torch.no_grad():
            p, q = (
                torch.softmax(m(torch.tensor([ids])).logits[0, -1].double() / 0.5, -1).tolist()
                for m in (policy, reference)
            )
        kl = sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))
        assert kl > 0.01
        assert found.columns["kl"][index] == pytest.approx(kl, rel=1e-4)
        assert found.columns["entropy"][index] == pytest.approx(-sum(a * math.log(a) for a in p), rel=1e-4)
    assert found.columns["length"] == (1.0, 1.0)
    line = found.line(0)
    assert line["held_out_sqrt_kl"] == pytest.approx(math.sqrt(found.mean("kl") or 0))
    assert line["held_out_n"] == 2


def test_the_divergence_of_an_answer_is_the_sum_over_its_tokens(arms: Path, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM

    other = bandit.save(tmp_path / "other", seed=4)
    policy, reference = (AutoModelForCausalLM.from_pretrained(place).eval() for place in (arms, other))
    eye = observer(policy, reference, arms, bandit.held_out(4), Rewards(RuleScorer(Rules(max_words=1))), 6, 1.0)
    found = eye.measure(0)
    rows, _ = eye._answers()
    assert [len(row.made) for row in rows] == list(found.columns["length"])
    for index, row in enumerate(rows):
        total = 0.0
        for place in range(len(row.made)):
            ids = torch.tensor([[*eye.prompts[index][1], *row.made[:place]]])
            with torch.no_grad():
                p, q = (torch.softmax(m(ids).logits[0, -1].double(), -1).tolist() for m in (policy, reference))
            total += sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))
        assert found.columns["kl"][index] == pytest.approx(total, rel=1e-3)


def test_scores_that_are_missing_stay_missing_and_members_disagree_by_their_deviation(arms: Path) -> None:
    from transformers import AutoModelForCausalLM

    policy = AutoModelForCausalLM.from_pretrained(arms).eval()
    every = dict.fromkeys((*bandit.WORDS, "", "<unk>", "<user>", "<assistant>"), 1.0)
    some = dict(list(every.items())[:4])
    triple = {word: 3 * value for word, value in every.items()}
    rewards = Rewards(ByAnswer(**every), ByAnswer(**some), [[ByAnswer(**every), ByAnswer(**triple)]])
    eye = observer(policy, policy, arms, bandit.held_out(12), rewards, 1, 1.0)
    found = eye.measure(0)
    said = eye._answers()[1]
    assert found.columns["proxy"] == (1.0,) * 12
    assert found.columns["gold"] == tuple(some.get(text) for text in said)
    assert 0 < len(found.scored("gold")) < 12
    assert found.columns["disagreement"] == (1.0,) * 12
    figure = found.figure("gold", 0)
    assert (figure["n"], figure["unscored"]) == (len(found.scored("gold")), 12 - len(found.scored("gold")))
    assert found.line(0)["held_out_gold_unscored"] == figure["unscored"]
