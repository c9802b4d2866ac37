"""Best-of-n: the highest score wins, a missing one never, and the divergence has a bound."""

from __future__ import annotations

import asyncio
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from constitutional.api import MAIN, Completion, Outputs, StepFailed, Unanswered
from constitutional.builtin.generators import BestOfN
from constitutional.builtin.generators.best_of_n import Sampled, kl_bound
from constitutional.builtin.rewards.contract import Scored
from tests.stages_support import Asked, Memory, Rule, Script, adds_up, prompt


def words(asked: Asked) -> str:
    """The i-th sample has as many words as (i + 1) * 2 mod 7."""
    return " ".join(["word"] * ((asked.request.sample + 1) * 2 % 7))


def best(folder: Path, rule: Rule = words, prompts: int = 3, **params: Any) -> Outputs:
    inputs = Memory({"prompts": [[prompt(f"ask {i}", category="c") for i in range(prompts)]]})
    given = {"n": 4, "reward": {"rules": {"min_words": 10}}, **params}
    outputs = asyncio.run(BestOfN(BestOfN.Params.model_validate(given)).run(inputs, Script(folder, rule)))
    assert adds_up(outputs, inputs, "prompts")
    return outputs


def test_the_answer_with_the_highest_reward_is_kept(tmp_path: Path) -> None:
    outputs = best(tmp_path)
    kept: Any = list(outputs.rows[MAIN])
    assert [len(row.completion.split()) for row in kept] == [6, 6, 6]
    assert [row.sample for row in kept] == [2, 2, 2]
    assert kept[0].meta == {"category": "c"}
    scores: Any = list(outputs.rows["scores"])
    assert [round(score.score, 6) for score in scores[:4]] == [0.2, 0.4, 0.6, 0.1]
    figures: Any = outputs.figures
    assert (figures["score"]["value"], figures["score"]["n"], figures["mean_score"]["value"]) == (0.6, 3, 0.325)
    assert figures["gain"]["value"] == pytest.approx(0.275)
    assert figures["kl_bound"] == pytest.approx(math.log(4) - 3 / 4)


def test_more_samples_keep_what_fewer_gave(tmp_path: Path) -> None:
    few, more = (list(best(tmp_path, n=n).rows["scores"]) for n in (2, 4))
    ids = [row.row_id for row in few]
    assert ids == [row.row_id for row in more if row.row_id in ids]


@given(st.lists(st.one_of(st.none(), st.floats(-5, 5)), min_size=1, max_size=8))
def test_a_missing_score_never_wins(values: list[float | None]) -> None:
    one = Sampled(prompt(), scores=[Scored(value) for value in values])
    there = [value for value in values if value is not None]
    if not there:
        assert one.best is None
        return
    assert one.best is not None
    assert values[one.best] == max(there)
    assert one.best == values.index(max(there)), "the first of several"


@given(st.integers(1, 10_000))
def test_the_bound_on_the_divergence_holds_for_a_uniform_model(n: int) -> None:
    """For answers that are all different the divergence is the bound itself: KL of the density n u^(n - 1)."""
    exact = math.log(n) + (n - 1) * -1 / n
    assert kl_bound(n) == pytest.approx(exact)
    assert kl_bound(n) >= 0


def test_cut_off_answers_can_be_left_out(tmp_path: Path) -> None:
    def rule(asked: Asked) -> Completion:
        return Completion(words(asked), "length" if asked.request.sample == 2 else "stop")

    outputs = best(tmp_path, rule, on_length="drop")
    assert {row.sample for row in outputs.rows[MAIN]} == {1}  # type: ignore[attr-defined]
    assert len(list(outputs.rows["scores"])) == 9


def test_an_unanswered_prompt_is_unscored_and_the_others_go_on(tmp_path: Path) -> None:
    def rule(asked: Asked) -> Any:
        return Unanswered("timeout") if asked.request.messages[-1].content == "ask 1" else words(asked)

    outputs = best(tmp_path, rule)
    assert outputs.fates == {("kept", ""): 2, ("unscored", "timeout"): 1}
    assert outputs.figures["score"]["unscored"] == 1  # type: ignore[index, call-overload]


def test_too_many_missing_scores_stop_the_run(tmp_path: Path) -> None:
    with pytest.raises(StepFailed, match="no alpha for its `mood`: 12"):
        part = {"rules": {"min_words": 3}}
        best(tmp_path, reward={"hybrid": {"helpful": part, "harmless": part, "column": "mood", "alphas": {"x": 1.0}}})


def test_no_prompts_are_no_figures(tmp_path: Path) -> None:
    outputs = best(tmp_path, prompts=0)
    assert outputs.figures["score"]["value"] is None  # type: ignore[index, call-overload]
    assert not list(outputs.rows[MAIN])
