"""Mean rewards of models: paired differences, intervals, and nothing made up for what has no score."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from constitutional.api import MAIN, Outputs, Unanswered, UserError
from constitutional.builtin.evaluators import Rewards
from constitutional.builtin.evaluators.rewards import AnsweringParams
from tests.stages_support import Asked, Memory, Rule, Script, adds_up, prompt

REWARD = {"rules": {"min_words": 10}}


def world(asked: Asked) -> str:
    """`start` says 2 or 4 words, `trained` three more."""
    i = int(asked.request.messages[-1].content.split()[-1])
    return " ".join(["word"] * (2 + 2 * (i % 2) + 3 * (asked.model == "models.trained")))


def evaluate(folder: Path, rule: Rule = world, labels: Sequence[str] = ("start", "trained"), prompts: Any = None,
             **params: Any) -> tuple[Any, Outputs]:  # fmt: skip
    rows = [prompt(f"ask {i}", category="ab"[i % 2], of=i // 4) for i in range(20)] if prompts is None else prompts
    inputs = Memory({"prompts": [rows]}, {"models": labels})
    stage = Rewards(Rewards.Params.model_validate({"reward": REWARD, **params}))
    outputs = asyncio.run(stage.run(inputs, Script(folder, rule)))
    assert adds_up(outputs, inputs, "prompts")
    return outputs.figures, outputs


def test_means_and_paired_differences(tmp_path: Path) -> None:
    figures, outputs = evaluate(tmp_path)
    start, trained = (figures["models"][label]["reward"] for label in ("start", "trained"))
    assert (start["value"], trained["value"], start["n"]) == (0.3, 0.6, 20)
    assert start["low"] < 0.3 < start["high"]
    change = figures["compared"]["trained"]["reward"]
    assert (change["value"], change["low"], change["high"]) == pytest.approx((0.3, 0.3, 0.3))
    assert change["p"] == change["p_holm"] < 0.01
    report = json.loads((outputs.folders[MAIN] / "report.json").read_text())
    assert report["breakdown"]["category"]["a"]["start"]["value"] == 0.2
    assert len((outputs.folders[MAIN] / "answers.jsonl").read_text().splitlines()) == 40


def test_the_report_repeats_to_the_byte(tmp_path: Path) -> None:
    one, two = (evaluate(tmp_path / name)[1].folders[MAIN] for name in "ab")
    assert all((one / name).read_bytes() == (two / name).read_bytes() for name in ("report.json", "answers.jsonl"))


def test_what_has_no_score_is_counted_and_compared_with_nothing(tmp_path: Path) -> None:
    def rule(asked: Asked) -> Any:
        late = asked.model == "models.start" and asked.request.messages[-1].content == "ask 3"
        return Unanswered("timeout") if late else world(asked)

    figures, outputs = evaluate(tmp_path, rule)
    start = figures["models"]["start"]["reward"]
    assert (start["n"], start["unscored"], start["reasons"]) == (19, 1, {"timeout": 1})
    assert (figures["compared"]["trained"]["reward"]["n"], figures["compared"]["trained"]["reward"]["unscored"]) == (
        19,
        1,
    )
    assert outputs.fates == {("kept", ""): 19, ("unscored", "timeout"): 1}


def test_paraphrases_are_drawn_together(tmp_path: Path) -> None:
    figures, _ = evaluate(tmp_path, cluster="of")
    assert figures["models"]["start"]["reward"]["method"] == "cluster bootstrap"


def test_every_promised_figure_is_measured(tmp_path: Path) -> None:
    figures, _ = evaluate(tmp_path)
    for name in Rewards.figures(Rewards.Params()):
        assert {"value", "low", "high", "n", "unscored", "method"} <= set(figures["models"]["trained"][name])


def test_a_prompt_that_comes_twice_and_a_baseline_that_is_not_there_are_mistakes(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="come more than once"):
        evaluate(tmp_path, prompts=[prompt("ask 1")] * 2)
    params = Rewards.Params.model_validate({"reward": REWARD, "baseline": "strat"})
    assert isinstance(params, AnsweringParams)
    (said,) = Rewards.wired(params, {"models": ("start", "trained")})
    assert "no label" in said


def test_no_prompts_are_no_figures(tmp_path: Path) -> None:
    figures, _ = evaluate(tmp_path, prompts=[])
    assert figures["models"]["start"]["reward"]["value"] is None
