"""Online DPO on a bandit with a known optimum, on tiny models, against TRL's loss, and through breaks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from constitutional.api import Prompt, StepFailed, assistant, user
from constitutional.builtin.rewards.contract import Scored
from constitutional.builtin.trainers import rl
from constitutional.builtin.trainers.online_dpo import OnlineDpoTrainer
from constitutional.builtin.trainers.online_dpo.pairs import Chosen, paired, probability
from constitutional.builtin.trainers.online_dpo.params import OnlineDpoParams
from constitutional.builtin.trainers.online_dpo.update import Lesson, losses, update
from constitutional.builtin.trainers.rounds.optimiser import optimiser
from constitutional.builtin.trainers.rounds.policy import Batch, Policy
from constitutional.builtin.trainers.rounds.rollout import Sample
from tests.trainers import bandit
from tests.trainers.support import Inputs, preferences, train

stage = bandit.online_dpo


# -- the bandit ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"group_size": 2, "iterations": 20},
        {"loss": "ipo"},
        {"label_temperature": 0.5},
        {"updates": 2, "iterations": 8},
    ],
    ids=["four", "two", "ipo", "soft", "twice"],
)
def test_it_finds_the_arm_that_pays(arms: Path, tmp_path: Path, params: dict[str, Any]) -> None:
    assert bandit.first_words(arms)["c"] < 0.3
    done = train(stage(**params), tmp_path, arms, prompts=bandit.prompts())
    assert bandit.first_words(done.folder)["c"] > 0.85
    figures = done.figures
    assert figures["score"]["low"] <= figures["score"]["value"] <= figures["score"]["high"]
    assert figures["score"]["value"] > 0.8 > figures["first_score"]
    assert figures["score"]["n"] == 32 * params.get("group_size", 4)
    assert figures["pairs"] + figures["ties"] == 32 * params.get("iterations", 12)
    assert done.fates == {("kept", ""): 16}


@pytest.mark.parametrize("merge", [True, False], ids=["merged", "adapter"])
def test_an_adapter_finds_it_too_without_a_second_model(tmp_path: Path, merge: bool) -> None:
    arms = bandit.save(tmp_path / "arms", spread=0.5)
    made = stage(lora={"r": 8, "merge": merge}, learning_rate=3e-2, iterations=25)
    done = train(made, tmp_path / "run", arms, prompts=bandit.prompts())
    assert done.figures["score"]["value"] > 0.8
    assert done.log[0]["kl"] == pytest.approx(0, abs=1e-5)
    assert (done.folder / "adapter_model.safetensors").is_file() is not merge
    assert made.method(Inputs({"model": arms}, {})).models.reference is None


def test_a_large_beta_holds_the_policy_nearer_to_its_reference(arms: Path, tmp_path: Path) -> None:
    free = train(stage(beta=0.05), tmp_path / "free", arms, prompts=bandit.prompts())
    held = train(stage(beta=20.0), tmp_path / "held", arms, prompts=bandit.prompts())
    assert held.log[-1]["kl"] < 0.75 * free.log[-1]["kl"]


def test_soft_labels_stop_where_the_odds_are_those_of_the_scores(arms: Path, tmp_path: Path) -> None:
    """With p = sigmoid(1 / T) the log-ratio of a pair comes to 1 / (T beta), and no further; certain labels go on."""
    soft = train(
        stage(label_temperature=1.0, beta=0.5, iterations=40), tmp_path / "soft", arms, prompts=bandit.prompts()
    )
    hard = train(stage(beta=0.5, iterations=40), tmp_path / "hard", arms, prompts=bandit.prompts())
    tail = [line["margin"] for line in soft.log[-10:] if "margin" in line]
    assert sum(tail) / len(tail) == pytest.approx(1 / 0.5, abs=0.7)
    assert bandit.first_words(soft.folder)["c"] < bandit.first_words(hard.folder)["c"]


def test_the_reference_may_be_another_model(arms: Path, tmp_path: Path) -> None:
    other = bandit.save(tmp_path / "other", seed=3)
    done = train(stage(iterations=1), tmp_path / "run", arms, reference=other, prompts=bandit.prompts())
    assert done.log[0]["kl"] > 1e-3
    same = train(stage(iterations=1), tmp_path / "same", arms, prompts=bandit.prompts())
    assert same.log[0]["kl"] == pytest.approx(0, abs=1e-6)
    assert same.log[0]["loss"] == pytest.approx(math.log(2), abs=1e-6)


def test_the_log_says_what_one_watches_for(arms: Path, tmp_path: Path) -> None:
    done = train(stage(iterations=2), tmp_path, arms, prompts=bandit.prompts())
    watched = {"kl", "reward", "score", "score_chosen", "score_rejected", "score_margin", "p_chosen", "margin", "accuracy", "entropy",
               "length", "ended", "pairs", "ties", "unpaired", "unscored", "loss", "grad_norm"}  # fmt: skip
    for line in done.log:
        assert watched <= line.keys()
        assert line["score_chosen"] - line["score_rejected"] == pytest.approx(line["score_margin"])
        assert line["reward"] == pytest.approx(line["score"] - 0.1 * line["kl"])
    assert [told[:2] for told in done.context.told] == [(1, 2), (2, 2)]


# -- the loss --------------------------------------------------------------------------------------------------------------


class Fixed(Policy):
    """A policy whose log-probabilities are given: [rows, completion]."""

    def __init__(self, logps: torch.Tensor) -> None:
        self.logps = logps

    def read(self, batch: Batch, temperature: float, entropies: bool = True) -> Any:
        from constitutional.builtin.trainers.rounds.policy import Reading

        return Reading(self.logps[batch.ids[:, 0]], torch.zeros_like(self.logps))


def lesson(p_chosen: Sequence[float] = (1.0, 1.0)) -> tuple[Fixed, Lesson]:
    """Four answers of up to three tokens; the second is padded, the fourth too."""
    logps = torch.tensor([[-1.0, -2.0, -0.5], [-0.5, -1.5, -9.0], [-2.0, -1.0, -1.0], [-3.0, -8.0, -8.0]])
    reference = torch.tensor([[-1.5, -2.0, -1.0], [-0.25, -1.0, -7.0], [-1.0, -1.0, -1.0], [-2.5, -6.0, -6.0]])
    mask = torch.tensor([[1, 1, 1], [1, 1, 0], [1, 1, 1], [1, 0, 0]])
    batch = Batch(torch.arange(4)[:, None], torch.ones(4, 1), mask)
    pairs = [Chosen(0, 1, p_chosen[0], 1.0), Chosen(3, 2, p_chosen[1], 1.0)]
    return Fixed(logps), Lesson(batch, reference, pairs)


#: By hand, of `lesson`: (chosen - its reference) - (rejected - its reference), summed over the tokens of the mask.
RATIOS = (1.0 - -0.75, -0.5 - -1.0)


@pytest.mark.parametrize("p", [(1.0, 1.0), (0.8, 0.6)])
def test_the_loss_is_the_one_by_hand(p: tuple[float, float]) -> None:
    def side(h: float) -> float:
        return -math.log(1 / (1 + math.exp(-h)))

    models, taught = lesson(p)
    loss, said = losses(models, taught, taught.pairs, OnlineDpoParams(beta=0.3))
    expected = [q * side(0.3 * r) + (1 - q) * side(-0.3 * r) for r, q in zip(RATIOS, p, strict=True)]
    assert float(loss) == pytest.approx(sum(expected) / 2, abs=1e-6)
    assert said["margin"] == pytest.approx(sum(RATIOS) / 2)
    assert said["accuracy"] == 1.0


def test_the_loss_of_ipo_is_the_one_by_hand() -> None:
    models, taught = lesson()
    loss, _ = losses(models, taught, taught.pairs, OnlineDpoParams(loss="ipo", beta=0.5))
    means = (1.0 / 3 - -0.75 / 2, -0.5 - -1.0 / 3)
    assert float(loss) == pytest.approx(sum((one - 1) ** 2 for one in means) / 2, abs=1e-6)


def test_the_loss_of_hard_labels_is_the_one_of_trl(model: Path, other: Path, tmp_path: Path) -> None:
    """One step of TRL's DPO on the pairs that a round made, read by the same policy and reference."""
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import DPOConfig, DPOTrainer

    tok = AutoTokenizer.from_pretrained(model)
    prompt = tok("tell me more", add_special_tokens=False)["input_ids"]
    texts = [("yes indeed", "no"), ("who is up", "hello there go on")]
    ends = [tok(text, add_special_tokens=False)["input_ids"] + [tok.eos_token_id] for pair in texts for text in pair]
    policy, reference = (AutoModelForCausalLM.from_pretrained(place).eval() for place in (model, other))
    from constitutional.builtin.trainers.rounds.rollout import batched

    batch = batched([Sample(prompt, end, True, Scored(1.0)) for end in ends], tok.pad_token_id, "cpu")
    models = Policy(policy, reference, None)
    with torch.no_grad():
        said = models.reference_logps(batch, 1.0)
    ours, _ = losses(
        models, Lesson(batch, said, ()), [Chosen(0, 1, 1.0, 1.0), Chosen(2, 3, 1.0, 1.0)], OnlineDpoParams(beta=0.4)
    )
    trainer = DPOTrainer(
        policy, reference, DPOConfig(output_dir=str(tmp_path), beta=0.4, use_cpu=True, report_to="none",
                                     per_device_train_batch_size=2, disable_dropout=True, bf16=False, max_length=None),
        train_dataset=Dataset.from_list([{"prompt": "tell me more", "chosen": "yes indeed", "rejected": "no"}]),
        processing_class=tok,
    )  # fmt: skip
    rows = [{"prompt_ids": prompt, "chosen_ids": ends[2 * i], "rejected_ids": ends[2 * i + 1]} for i in range(2)]
    theirs = trainer.compute_loss(trainer.model, trainer.data_collator(rows))
    assert float(ours.detach()) == pytest.approx(float(theirs.detach()), abs=1e-5)


def test_mini_batches_of_unequal_size_make_the_gradient_of_the_whole(model: Path) -> None:
    from transformers import AutoModelForCausalLM

    from constitutional.builtin.trainers.rounds.rollout import batched

    def moved(**params: Any) -> torch.Tensor:
        policy, reference = (AutoModelForCausalLM.from_pretrained(model).eval() for _ in range(2))
        models = Policy(policy, reference, None)
        p = OnlineDpoParams(learning_rate=1e-3, scheduler="constant", warmup=0, max_grad_norm=1e9, **params)
        batch = batched([Sample([5, 6], [7 + i, 8], True, Scored(float(i))) for i in range(6)], 0, "cpu")
        with torch.no_grad():
            said = models.reference_logps(batch, 1.0)
        taught = Lesson(batch, said, [Chosen(1, 0, 1.0, 1.0), Chosen(3, 2, 1.0, 1.0), Chosen(5, 4, 1.0, 1.0)])
        found = update(models, taught, optimiser(list(models.learned().values()), p, 1), p, 0, 0)
        return torch.tensor([found["loss"], found["grad_norm"], found["updates"]])

    assert torch.allclose(moved(batch_size=3), moved(batch_size=2, gradient_accumulation=2), atol=1e-5)


# -- which answers make a pair ---------------------------------------------------------------------------------------------


def answers(*scores: float | None, ended: Sequence[bool] = (), same: bool = False) -> list[Sample]:
    return [Sample([1], [2] if same else [2 + i], ended[i] if ended else True, Scored(score, "" if score is not None else "late"))
            for i, score in enumerate(scores)]  # fmt: skip


def test_the_best_and_the_worst_of_a_group_make_the_pair() -> None:
    found = paired(answers(0.1, 0.9, -0.5, 0.9), OnlineDpoParams(group_size=4))
    assert found.pairs == (Chosen(1, 2, 1.0, 1.4),)
    assert (found.ties, found.unpaired) == (0, 0)


def test_ties_and_missing_scores_teach_nothing_and_are_counted_apart() -> None:
    rows = [
        *answers(0.5, 0.5),
        *answers(None, 0.0),
        *answers(None, None),
        *answers(0.0, 1.0),
        *answers(0.0, 1.0, same=True),
    ]
    found = paired(rows, OnlineDpoParams())
    assert found.pairs == (Chosen(7, 6, 1.0, 1.0),)
    assert (found.ties, found.unpaired) == (2, 2)


def test_an_answer_without_a_score_is_never_the_worst() -> None:
    found = paired(answers(None, 2.0, 1.0), OnlineDpoParams(group_size=3))
    assert found.pairs == (Chosen(1, 2, 1.0, 1.0),)


def test_scores_within_the_margin_are_a_tie() -> None:
    assert paired(answers(0.2, 0.0), OnlineDpoParams(tie_margin=0.2)).ties == 1
    assert paired(answers(0.21, 0.0), OnlineDpoParams(tie_margin=0.2)).ties == 0


def test_an_answer_that_did_not_end_loses_its_penalty_first() -> None:
    found = paired(answers(1.0, 0.5, ended=(False, True)), OnlineDpoParams(missing_eos_penalty=1.0))
    assert found.pairs == (Chosen(1, 0, 1.0, 0.5),)


@given(st.floats(0, 50), st.floats(0.05, 20), st.floats(0, 0.49))
def test_a_label_is_a_probability_that_leans_to_the_higher_score(margin: float, temperature: float, e: float) -> None:
    p = probability(margin, OnlineDpoParams(label_temperature=temperature, label_smoothing=e))
    assert 0.5 <= p <= 1 - e + 1e-12
    assert probability(margin, OnlineDpoParams(label_smoothing=e)) == pytest.approx(1 - e)


@given(
    st.lists(st.one_of(st.none(), st.sampled_from([0.0, 0.5, 1.0])), min_size=6, max_size=6), st.sampled_from([2, 3, 6])
)
def test_every_prompt_is_a_pair_or_a_tie_or_without_one(scores: list[float | None], size: int) -> None:
    found = paired(answers(*scores), OnlineDpoParams(group_size=size))
    assert len(found.pairs) + found.ties + found.unpaired == 6 // size
    for one in found.pairs:
        assert one.chosen // size == one.rejected // size
        assert (scores[one.chosen] or 0.0) - (scores[one.rejected] or 0.0) == one.margin > 0


# -- what has no score -----------------------------------------------------------------------------------------------------


class Partly:
    """One answer in four has no score; the others as the rule says."""

    def score(self, dialogues: Any, metas: Any = None) -> list[Scored]:
        return [Scored(None, "timeout") if i % 4 == 0 else Scored(float(d[-1].content.startswith("c")))
                for i, d in enumerate(dialogues)]  # fmt: skip


def test_too_many_missing_scores_stop_the_run(arms: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rl, "scorer_of", lambda *_: Partly())
    with pytest.raises(StepFailed, match=r"32 of 128 completions have no score \(timeout: 32\)"):
        train(stage(), tmp_path / "strict", arms, prompts=bandit.prompts())
    done = train(stage(max_missing=0.3), tmp_path / "lenient", arms, prompts=bandit.prompts())
    assert {line["unscored"] for line in done.log} == {32}
    assert done.figures["score"]["n"] == 96
    assert done.figures["score"]["unscored"] == 32 * 12
    assert bandit.first_words(done.folder)["c"] > 0.8


def test_a_round_of_ties_moves_nothing_and_a_run_of_ties_fails(arms: Path, tmp_path: Path) -> None:
    with pytest.raises(StepFailed, match=r"no two answers to a prompt differ in score \(64 ties\)"):
        train(stage(reward={"rules": {"lacks": ["<none>"]}}, iterations=2), tmp_path, arms, prompts=bandit.prompts())


# -- before anything runs --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"trainer_args": {"adam_beta1": 0.9}}, "`trainer_args.adam_beta1` is not known to online-dpo"),
        ({"max_steps": 5}, "for online-dpo write `iterations`"),
        ({"report_to": ["tensorboard"]}, "`report_to` is not known to online-dpo"),
        ({"max_new_tokens": 64}, "leaves no room"),
        ({"batch_size": 33}, "33 are more than the 32 of `rollout_batch`"),
    ],
)
def test_mistakes_are_found_before_anything_runs(params: dict[str, Any], said: str) -> None:
    assert any(said in sentence for sentence in OnlineDpoTrainer.check(stage(**params).params))


def test_a_reward_that_names_what_is_not_connected_is_found_before_anything_runs() -> None:
    params = OnlineDpoParams.model_validate({"reward": {"weighted": {"helpfull": 1.0, "harmless": 1.0}}})
    said = list(OnlineDpoTrainer.wired(params, {"rewards": ("helpful", "harmless"), "prompts": ()}))
    assert said[0] == "the reward names `helpfull`, which is not connected; did you mean `helpful`?"
    assert "there is no reward" in next(iter(OnlineDpoTrainer.wired(OnlineDpoParams(), {"prompts": ()})))
    judged = OnlineDpoParams.model_validate({"reward": {"judge": {"principles": 2}}})
    assert "none is connected" in next(iter(OnlineDpoTrainer.wired(judged, {"prompts": ()})))
    assert not list(OnlineDpoTrainer.wired(judged, {"prompts": (), "judge": ()}))
    idle = next(iter(OnlineDpoTrainer.wired(OnlineDpoParams(), {"prompts": (), "judge": ()})))
    assert "a judge is connected" in idle
    assert "with: {reward: {judge: {principles: 2}}}" in idle


# -- the same every time ---------------------------------------------------------------------------------------------------


def test_what_is_learned_from_in_the_loop_is_the_score_offline(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from constitutional.builtin.rewards.build import build
    from constitutional.builtin.trainers.reward import RewardParams, RewardTrainer

    reward = train(RewardTrainer(RewardParams(learning_rate=3e-3, batch_size=8, max_length=96)), tmp_path / "reward", model,
                   preferences=preferences())  # fmt: skip
    seen: list[tuple[Any, Scored]] = []
    real = rl.scorer_of

    class Heard:
        def __init__(self, inner: Any) -> None:
            self.inner = inner

        def score(self, dialogues: Any, metas: Any = None) -> list[Scored]:
            found: list[Scored] = self.inner.score(dialogues, metas)
            seen.extend(zip(dialogues, found, strict=True))
            return found

    monkeypatch.setattr(rl, "scorer_of", lambda *given: Heard(real(*given)))
    params = {"reward": None, "iterations": 2, "rollout_batch": 8, "batch_size": 4, "max_new_tokens": 6, "max_length": 96,
              "max_missing": 0.5}  # fmt: skip
    asked = [Prompt(row_id=f"q{i}", prompt=row.prompt) for i, row in enumerate(preferences(8))]
    done = train(stage(**params), tmp_path / "policy", model, rewards={"": reward.folder}, prompts=asked)
    assert done.figures["pairs"] > 0
    assert len(seen) == 2 * 8 * 4
    offline = build(None, {"reward": reward.folder}, batch=3)
    for dialogue, scored in seen:
        (again,) = offline.score([dialogue])
        assert again.reason == scored.reason
        assert scored.value is None or again.value == pytest.approx(scored.value, abs=1e-4)
    assert offline.score([(user("hi"), assistant(" "))]) == [(None, "empty")]
