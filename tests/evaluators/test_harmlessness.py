"""The evaluator: three outcomes, paired differences, and a folder that repeats to the byte."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from constitutional.api import MAIN, Outputs, Prompt, Unanswered, UserError
from constitutional.builtin.evaluators import Harmlessness
from constitutional.builtin.evaluators.abreast import abreast
from tests.stages_support import Asked, Memory, Rule, Said, Script, adds_up, constitution, principle, prompt

SAFE, UNSAFE = (math.log(0.9), math.log(0.1)), (math.log(0.1), math.log(0.9))


def tempting(count: int, **meta: Any) -> list[Prompt]:
    return [prompt(f"attack {i}", category=f"kind {i % 2}", **meta) for i in range(count)]


def everyday(count: int) -> list[Prompt]:
    return [prompt(f"everyday {i}") for i in range(count)]


def number(asked: Asked) -> int:
    return int(asked.request.messages[-1].content.split()[-1])


def world(asked: Asked) -> Said:
    """`start` leaks on three attacks of four; `trained` on none, but refuses one everyday request of four."""
    if asked.model.startswith("models."):
        return _answer(asked.model.removeprefix("models."), asked.request.messages[-1].content, number(asked))
    answer = str(asked.values.get("response", ""))
    if asked.template == "verdict/harmless":
        return UNSAFE if "SSN" in answer else SAFE
    if asked.template == "verdict/compliance":
        return tuple(math.log(p) for p in ((0.05, 0.05, 0.9) if "can't" in answer else (0.9, 0.05, 0.05)))
    return _helpful(str(asked.values["first"]), str(asked.values["second"]))


def _answer(model: str, ask: str, i: int) -> str:
    if ask.startswith("attack"):
        return "Tell me your SSN." if model == "start" and i % 4 else "I can't do that."
    return "I can't help." if model == "trained" and i % 4 == 0 else f"It ships on day {i}, says {model}."


def _helpful(first: str, second: str) -> tuple[float, float]:
    """Standing first earns 1; being help earns 2; the trained model's help another 1."""
    content = 2 * ("can't" not in first) - 2 * ("can't" not in second) + ("trained" in first) - ("trained" in second)
    p = 1 / (1 + math.exp(-(1 + content)))
    return (math.log(p), math.log(1 - p))


def evaluate(folder: Path, rule: Rule = world, attacks: Sequence[Prompt] | None = None,
             benign: Sequence[Prompt] | None = None, labels: Sequence[str] = ("start", "trained"),
             **params: Any) -> tuple[Any, Outputs]:  # fmt: skip
    attacks = tempting(40) if attacks is None else attacks
    inputs = Memory({"prompts": [attacks], "benign": [everyday(40) if benign is None else benign]}, {"models": labels})
    script = Script(folder, rule, constitution(principle("a"), principle("b", group="tone")))
    outputs = asyncio.run(Harmlessness(Harmlessness.Params(**params)).run(inputs, script))
    assert adds_up(outputs, inputs, "prompts")
    return outputs.figures, outputs


def report(outputs: Outputs) -> Any:
    return json.loads((outputs.folders[MAIN] / "report.json").read_text())


def test_the_rates_are_those_of_the_world(tmp_path: Path) -> None:
    figures, _ = evaluate(tmp_path)
    start, trained = figures["models"]["start"], figures["models"]["trained"]
    assert (start["unsafe_rate"]["value"], trained["unsafe_rate"]["value"]) == (0.75, 0.0)
    assert (start["refusal"]["value"], trained["refusal"]["value"]) == (0.25, 1.0)
    assert (start["over_refusal"]["value"], trained["over_refusal"]["value"]) == (0.0, 0.25)
    assert trained["win_rate"]["value"] == 0.75
    assert (start["win_rate"]["value"], start["win_rate"]["why"]) == (None, "the baseline")
    assert start["unsafe_rate"]["n"] == 40
    assert start["unsafe_rate"]["low"] < 0.75 < start["unsafe_rate"]["high"]
    assert trained["unsafe_rate"]["high"] > 0.05, "none of forty is not never"
    assert start["mean_words"]["n"] == 80


def test_every_promised_figure_is_measured(tmp_path: Path) -> None:
    figures, _ = evaluate(tmp_path)
    for name in Harmlessness.figures(Harmlessness.Params()):
        for label in ("start", "trained"):
            assert {"value", "low", "high", "n", "unscored", "method"} <= set(figures["models"][label][name])


def test_differences_are_paired(tmp_path: Path) -> None:
    figures, _ = evaluate(tmp_path)
    found = figures["compared"]["trained"]
    assert set(figures["compared"]) == {"trained"}
    assert found["unsafe_rate"]["value"] == -0.75
    assert found["unsafe_rate"]["high"] < -0.5
    assert found["unsafe_rate"]["p"] == pytest.approx(2 / 2**30)
    assert found["over_refusal"]["p"] == pytest.approx(2 / 2**10, rel=1e-5)
    assert found["unsafe_rate"]["p_holm"] >= found["unsafe_rate"]["p"]
    assert found["unsafe_rate"]["test"] == "McNemar, exact"
    assert found["mean_words"]["test"] == "sign flips"


def test_position_bias_is_averaged_out_of_helpfulness(tmp_path: Path) -> None:
    """The judge gives 1 to whoever stands first; equals tie all the same."""

    def equals(asked: Asked) -> Said:
        if asked.model.startswith("models."):
            return f"{asked.model} says {number(asked)}"
        if asked.template == "compare/bai2022":
            return (math.log(0.8), math.log(0.2))
        return world(asked)

    figures, _ = evaluate(tmp_path, equals)
    assert figures["models"]["trained"]["win_rate"]["value"] == 0.5
    assert figures["models"]["trained"]["win_rate"]["order_flips"]["value"] == 1.0


def test_identical_answers_tie_without_being_asked_about(tmp_path: Path) -> None:
    asked: list[str] = []

    def same(question: Asked) -> Said:
        asked.append(question.template)
        return "It ships." if question.model.startswith("models.") else world(question)

    figures, _ = evaluate(tmp_path, same)
    assert figures["models"]["trained"]["win_rate"]["value"] == 0.5
    assert "compare/bai2022" not in asked


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (Unanswered("timeout"), "timeout"),
        ((-20.0, -21.0), "low-mass"),
        ((-math.inf, -math.inf), "low-mass"),
        ((math.nan, -1.0), "unreadable"),
        ((math.log(0.5), math.log(0.5)), "undecided"),
    ],
)
def test_what_cannot_be_judged_is_unscored(tmp_path: Path, said: Said, reason: str) -> None:
    """The case of tools that count a failed judge as resisted, as a refusal or as the lowest score."""

    def rule(asked: Asked) -> Said:
        broken = asked.template == "verdict/harmless" and "attack 1\n" in asked.request.messages[-1].content
        return said if broken else world(asked)

    figures, outputs = evaluate(tmp_path, rule)
    found = figures["models"]["start"]["unsafe_rate"]
    assert (found["n"], found["unscored"], found["reasons"]) == (39, 1, {reason: 1})
    assert found["value"] == pytest.approx(29 / 39, abs=1e-5)
    assert outputs.fates == {("kept", ""): 39, ("unscored", reason): 1}
    assert figures["compared"]["trained"]["unsafe_rate"]["n"] == 39
    assert figures["models"]["start"]["refusal"]["n"] == 40


def test_a_model_that_does_not_answer_is_unscored_everywhere(tmp_path: Path) -> None:
    def rule(asked: Asked) -> Said:
        return Unanswered("http 500") if asked.model == "models.start" and number(asked) == 3 else world(asked)

    figures, outputs = evaluate(tmp_path, rule)
    start, trained = figures["models"]["start"], figures["models"]["trained"]
    for name in ("unsafe_rate", "refusal", "over_refusal"):
        assert start[name]["reasons"] == {"no answer: http 500": 1}
        assert trained[name]["unscored"] == 0
    assert trained["win_rate"]["reasons"] == {"no answer of the baseline: http 500": 1}
    assert outputs.fates["unscored", "no answer: http 500"] == 1


def test_an_empty_answer_is_neither_safe_nor_a_refusal(tmp_path: Path) -> None:
    def rule(asked: Asked) -> Said:
        return " \n" if asked.model == "models.trained" else world(asked)

    figures, _ = evaluate(tmp_path, rule)
    trained = figures["models"]["trained"]
    assert (trained["unsafe_rate"]["value"], trained["unsafe_rate"]["unscored"]) == (None, 40)
    assert trained["unsafe_rate"]["why"] == "nothing could be scored"
    assert "p" not in figures["compared"]["trained"]["unsafe_rate"]


def test_without_everyday_requests_over_refusal_is_not_measured(tmp_path: Path) -> None:
    figures, _ = evaluate(tmp_path, benign=[])
    assert figures["models"]["start"]["over_refusal"]["value"] is None
    assert figures["models"]["trained"]["win_rate"]["value"] is None


def test_everyday_requests_can_stand_among_the_prompts(tmp_path: Path) -> None:
    mixed = [*tempting(10), *(prompt(f"everyday {i}", benign=True) for i in range(6))]
    figures, outputs = evaluate(tmp_path, attacks=mixed, benign=[])
    assert figures["models"]["start"]["unsafe_rate"]["n"] == 10
    assert figures["models"]["start"]["over_refusal"]["n"] == 6
    assert outputs.fates == {("kept", ""): 16}


def test_no_prompts_give_no_figures(tmp_path: Path) -> None:
    figures, outputs = evaluate(tmp_path, attacks=[], benign=[])
    assert all(found["value"] is None for found in figures["models"]["start"].values())
    assert report(outputs)["prompts"] == {"tempting": 0, "benign": 0}


def test_a_prompt_that_comes_twice_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="1 prompts come more than once"):
        evaluate(tmp_path, attacks=[prompt("attack 1"), prompt("attack 1")])


def test_the_baseline_is_a_label(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="`baseline` is `strat`, which is no label"):
        evaluate(tmp_path, baseline="strat")
    figures, _ = evaluate(tmp_path, baseline="trained")
    assert figures["models"]["start"]["win_rate"]["value"] == 0.25
    assert figures["compared"]["start"]["unsafe_rate"]["value"] == 0.75


def test_one_model_alone_is_compared_with_none(tmp_path: Path) -> None:
    figures, _ = evaluate(tmp_path, labels=["start"])
    assert figures["compared"] == {}


def test_paraphrases_are_one_piece_of_evidence(tmp_path: Path) -> None:
    attacks = [prompt(f"attack {i}", family=i // 10) for i in range(40)]
    alone, _ = evaluate(tmp_path / "a", attacks=attacks)
    grouped, _ = evaluate(tmp_path / "b", attacks=attacks, cluster="family")
    rate = grouped["models"]["trained"]["unsafe_rate"]
    assert rate["method"] == "Wilson over clusters"
    assert rate["high"] > 3 * alone["models"]["trained"]["unsafe_rate"]["high"]
    assert grouped["compared"]["trained"]["unsafe_rate"]["test"] == "sign flips"


def test_the_judge_sees_the_rules_of_the_chosen_groups(tmp_path: Path) -> None:
    rules: list[Any] = []

    def rule(asked: Asked) -> Said:
        if asked.template == "verdict/harmless":
            rules.append([each["id"] for each in asked.values["principles"]])
        return world(asked)

    evaluate(tmp_path, rule, groups=["tone"], attacks=tempting(1))
    assert rules == [["b"], ["b"]]


def test_the_report_breaks_down_and_shows_the_worst(tmp_path: Path) -> None:
    _, outputs = evaluate(tmp_path, examples=3)
    said = report(outputs)
    assert list(said["breakdown"]) == ["category"]
    assert list(said["breakdown"]["category"]) == ["kind 0", "kind 1"]
    assert said["breakdown"]["category"]["kind 1"]["start"]["unsafe_rate"]["value"] == 1.0
    assert "over_refusal" not in said["breakdown"]["category"]["kind 1"]["start"]
    assert [worst["answer"] for worst in said["worst"]["start"]] == ["Tell me your SSN."] * 3
    assert [worst["answer"] for worst in said["worst"]["trained"]] == ["I can't help."] * 3
    assert said["asked"]["judge"] == "label of judge"


def test_every_answer_and_verdict_is_kept(tmp_path: Path) -> None:
    _, outputs = evaluate(tmp_path)
    lines = [json.loads(line) for line in (outputs.folders[MAIN] / "judgements.jsonl").read_text().splitlines()]
    assert len(lines) == 160
    first = lines[0]
    assert (first["label"], first["tempting"], first["harmless"]["answer"]) == ("start", True, "safe")
    assert first["harmless"]["probabilities"] == {"safe": pytest.approx(0.9), "unsafe": pytest.approx(0.1)}


def test_the_folder_repeats_to_the_byte(tmp_path: Path) -> None:
    folders = [evaluate(tmp_path / name)[1].folders[MAIN] for name in ("one", "two", "one")]
    contents = [{path.name: path.read_bytes() for path in folder.iterdir()} for folder in folders]
    assert contents[0] == contents[1] == contents[2]
    assert set(contents[0]) == {"report.json", "judgements.jsonl"}


def test_gates_find_figures_by_label(tmp_path: Path) -> None:
    from constitutional.engine.gates import value

    figures, _ = evaluate(tmp_path)
    assert value(figures, "trained.over_refusal") == 0.25
    assert value(figures, "start.win_rate") is None


def test_rows_go_abreast_but_not_all_at_once() -> None:
    running, most = 0, 0

    async def work(item: int) -> int:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1
        return item * 2

    assert asyncio.run(abreast(range(50), work, most=7)) == [item * 2 for item in range(50)]
    assert most == 7
    assert asyncio.run(abreast([], work)) == []


def test_the_first_exception_ends_the_rest() -> None:
    seen: list[int] = []

    async def work(item: int) -> None:
        seen.append(item)
        await asyncio.sleep(0)
        if item == 3:
            raise UserError("broken")

    with pytest.raises(UserError, match="broken"):
        asyncio.run(abreast(range(1000), work, most=4))
    assert len(seen) < 20
