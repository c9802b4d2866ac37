"""The other specs in the repository, each after a paper."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from constitutional.plugins import Registry
from constitutional.spec.check import check, load

SPECS = Path(__file__).parents[2] / "specs"
RECIPES = (
    "sl-cai", "rl-cai-ppo", "rlaif-dpo", "rlaif-grpo", "iterative", "kto", "orpo-one-stage", "process-reward", "hf-2024",
    "nemo-2024", "hybrid-reward", "weak-to-strong",
)  # fmt: skip


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_is_right_and_says_whom_it_follows(name: str) -> None:
    path = SPECS / f"{name}.yaml"
    assert check(load(path), Registry()) == []
    comment = "".join(re.findall(r"^#.*\n", path.read_text(), re.MULTILINE))
    assert re.search(r"Follows .* \(arXiv \d{4}\.\d{5}\)", comment)
    assert "Departs from it" in comment


@pytest.mark.parametrize(
    ("name", "said", "words"),
    [
        ("rl-cai-ppo", "stages.rl_cai.with.reward={weighted: {rewad: 1}}", "`rewad`, which is not connected; did you mean `reward`?"),
        ("process-reward", "stages.policy.with.reward=step", "`step`, which is not connected; did you mean `steps`?"),
        ("rlaif-grpo", "stages.rlaif.with.group_size=5", "no multiple of `group_size`"),
        ("rlaif-grpo", "stages.rlaif.with.trainer_args={topk: 5}", "did you mean `top_k`?"),
        ("rlaif-grpo", "stages.rlaif.with.reward={weighted: {reward: 1}, rules: {max_words: 3}}", "exactly one of"),
        ("kto", "stages.kto.with.batch_size=1", "at least 2"),
        ("hybrid-reward", "stages.best.with.reward={judge: {principles: 2}}", "none is connected"),
        ("hybrid-reward", "stages.best.with.temperature=0", "all 8 answers are the same"),
        ("weak-to-strong", "stages.result.with.baseline=strat", "no label of `models`"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_recipe_is_found_before_anything_runs(name: str, said: str, words: str) -> None:
    (found,) = check(load(SPECS / f"{name}.yaml", [said]), Registry())
    assert found.code == "parameter"
    assert words in found.message


def test_rounds_of_a_trainer_each_start_from_the_policy_of_the_round_before() -> None:
    from constitutional.plan.make import plan
    from constitutional.spec.check import checked

    registry = Registry()
    steps = plan(checked(load(SPECS / "iterative.yaml"), registry), registry).steps
    trained = {
        name: use.trained_by.step for name, step in steps.items() for use in step.models.values() if use.trained_by
    }
    assert trained["rounds.1.pairs"] == trained["rounds.1.policy"] == "start"
    assert trained["rounds.2.pairs"] == trained["rounds.2.policy"] == "rounds.1.policy"
    assert steps["rounds.1.pairs"].fingerprint != steps["rounds.2.pairs"].fingerprint


def test_the_ledger_counts_the_rows_of_a_port_that_is_connected() -> None:
    """KTO takes scores or preferences; where only preferences are there, they are what is counted."""
    from constitutional.plan.make import plan
    from constitutional.spec.check import checked

    registry = Registry()
    steps = plan(checked(load(SPECS / "kto.yaml"), registry), registry).steps
    assert steps["kto"].driving == "preferences"
    assert steps["labels"].driving == "votes"
