"""Divergence from a reference: estimators, intervals, what cannot be compared, and a run through the engine."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from constitutional.api import MAIN, Completion, Likelihood, LikelihoodRequest, Outputs, Request, Unanswered, UserError
from constitutional.builtin.evaluators import Divergence
from constitutional.cli.opening import open_spec
from constitutional.errors import SpecError
from tests.backends import tiny
from tests.running import jsonl, ran
from tests.stages_support import Asked, Memory, Rule, Script, adds_up, prompt

#: What the toy model and the reference give the words it may say.
POLICY = {"yes": 0.75, "no": 0.25}
REFERENCE = {"yes": 0.25, "no": 0.75}
EXACT = 0.75 * math.log(3) + 0.25 * math.log(1 / 3)


def toy(asked: Asked) -> Any:
    """Says `yes` to three of four prompts, as its own distribution has it."""
    request = asked.request
    if isinstance(request, Request):
        i = int(request.messages[-1].content.split()[-1])
        return Completion("no" if i % 4 == 0 else "yes", "stop", 3, 2)
    assert isinstance(request, LikelihoodRequest)
    assert request.ended
    shares = REFERENCE if asked.model in ("reference", "models.same") else POLICY
    return Likelihood((len(request.completion), 0), (math.log(shares[request.completion]), -0.5), 3)


def evaluate(folder: Path, rule: Rule = toy, labels: Sequence[str] = ("trained",), prompts: Any = None,
             **params: Any) -> tuple[Any, Outputs]:  # fmt: skip
    rows = [prompt(f"ask {i}", category="ab"[i % 2], of=i // 4) for i in range(40)] if prompts is None else prompts
    inputs = Memory({"prompts": [rows]}, {"models": labels})
    outputs = asyncio.run(Divergence(Divergence.Params.model_validate(params)).run(inputs, Script(folder, rule)))
    assert adds_up(outputs, inputs, "prompts")
    return outputs.figures["models"], outputs


def test_estimators_agree_with_the_exact_divergence(tmp_path: Path) -> None:
    models, outputs = evaluate(tmp_path)
    found = models["trained"]
    for name in ("kl", "kl_k3"):
        assert found[name]["value"] == pytest.approx(EXACT, abs=1e-5)
        assert found[name]["low"] < EXACT < found[name]["high"]
        assert found[f"{name}_per_token"]["value"] == pytest.approx(EXACT / 2, abs=1e-5)
    assert (found["kl"]["n"], found["kl_per_token"]["n"], found["mean_tokens"]["value"]) == (40, 80, 2)
    report = json.loads((outputs.folders[MAIN] / "report.json").read_text())
    assert set(report["breakdown"]["category"]) == {"a", "b"}
    assert len((outputs.folders[MAIN] / "answers.jsonl").read_text().splitlines()) == 40


def test_every_promised_figure_is_measured(tmp_path: Path) -> None:
    models, _ = evaluate(tmp_path)
    assert tuple(models["trained"]) == Divergence.figures(Divergence.Params())
    for figure in models["trained"].values():
        assert {"value", "low", "high", "n", "unscored", "method"} <= set(figure)


def test_the_report_repeats_to_the_byte(tmp_path: Path) -> None:
    one, two = (evaluate(tmp_path / name)[1].folders[MAIN] for name in "ab")
    assert all((one / name).read_bytes() == (two / name).read_bytes() for name in ("report.json", "answers.jsonl"))


def test_what_cannot_be_weighed_is_counted_with_its_reason(tmp_path: Path) -> None:
    def rule(asked: Asked) -> Any:
        i = int(asked.request.messages[-1].content.split()[-1])
        weighed = isinstance(asked.request, LikelihoodRequest)
        if i == 0 and not weighed:
            return Unanswered("timeout")
        if i == 1 and weighed and asked.model == "reference":
            return Unanswered("prompt-too-long")
        if i == 2 and weighed and asked.model == "reference":
            return Likelihood((1, 2, 3), (-1.0, -1.0, -1.0))
        if i == 3 and weighed and asked.model != "reference":
            return Likelihood((len(asked.request.completion), 0), (-2000.0, -1.0))
        return toy(asked)

    models, outputs = evaluate(tmp_path, rule)
    reasons = {"timeout": 1, "prompt-too-long": 1, "other-tokens": 1, "ratio-too-large": 1}
    for figure in models["trained"].values():
        assert (figure["unscored"], figure["reasons"]) == (4, reasons)
    assert models["trained"]["kl"]["n"] == 36
    assert outputs.fates == {("kept", ""): 36, **{("unscored", reason): 1 for reason in reasons}}


def test_what_was_cut_off_has_no_end_and_other_tokens_are_noticed(tmp_path: Path) -> None:
    ended = []

    def rule(asked: Asked) -> Any:
        if isinstance(asked.request, Request):
            assert asked.request.temperature == 1.0
            return Completion("yes", "length", 3, 7)
        ended.append(asked.request.ended)
        return Likelihood((3,), (-1.0,))

    models, _ = evaluate(tmp_path, rule)
    assert not any(ended)
    assert models["trained"]["rewritten"]["value"] == 1.0


def test_samples_of_one_prompt_and_paraphrases_are_drawn_together(tmp_path: Path) -> None:
    models, _ = evaluate(tmp_path / "a", samples=3)
    assert (models["trained"]["kl"]["n"], models["trained"]["kl"]["method"]) == (120, "cluster bootstrap")
    models, _ = evaluate(tmp_path / "b", cluster="of")
    assert models["trained"]["kl"]["method"] == "cluster bootstrap"


def test_mistakes_and_nothing_to_measure(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="come more than once"):
        evaluate(tmp_path, prompts=[prompt("ask 1")] * 2)
    with pytest.raises(UserError, match="names no model"):
        evaluate(tmp_path, labels=())
    models, _ = evaluate(tmp_path, prompts=[])
    assert models["trained"]["kl"]["value"] is None


SPEC = """\
constitutional: 1
name: far
seed: 3
constitution: rules.yaml
models:
  one: {backend: transformers, model: ./one, device: cpu, deterministic: true}
  other: {backend: transformers, model: ./other, device: cpu, deterministic: true}
  remote: {backend: openai, model: m, base_url: "http://127.0.0.1:9/v1"}
data:
  prompts: {source: jsonl, path: prompts.jsonl}
stages:
  far:
    evaluator: divergence
    models: {itself: REFERENCE, other: other}
    reference: REFERENCE
    prompts: prompts
    with: {max_new_tokens: 8, samples: 2}
    require: {itself.kl: {max: 0}}
"""


def project(folder: Path, reference: str) -> Path:
    rows = [{"prompt": f"Where is order {i}?", "category": "ab"[i % 2]} for i in range(6)]
    (folder / "prompts.jsonl").write_text(jsonl(rows))
    (folder / "rules.yaml").write_text("constitution: 1\nname: r\nprinciples: [{id: k, rule: Be kind.}]\n")
    (folder / "spec.yaml").write_text(SPEC.replace("REFERENCE", reference))
    return folder / "spec.yaml"


def test_a_model_that_weighs_no_texts_is_a_mistake_before_anything_runs(tmp_path: Path) -> None:
    for name in ("one", "other"):
        tiny.save(tmp_path / name, seed=len(name))
    with pytest.raises(SpecError) as caught:
        open_spec(project(tmp_path, "remote"), ())
    said = [one.message for one in caught.value.diagnostics if one.code == "capability"]
    assert len(said) == 2
    assert all("log-probabilities of given texts" in one and "`openai`" in one for one in said)


def test_in_a_run_a_model_is_at_no_distance_from_itself_and_torch_says_how_far_from_another(tmp_path: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    from constitutional.builtin.backends.encoding import DialogueEncoder
    from constitutional.builtin.backends.loading import load_tokenizer
    from constitutional.records import messages

    folders = {name: tiny.save(tmp_path / name, seed=len(name)) for name in ("one", "other")}
    folder = ran(project(tmp_path, "one")).folder("far")
    models = json.loads((folder / "report.json").read_text())["models"]
    itself = models["itself"]
    assert all(itself[name]["value"] == itself[name]["low"] == itself[name]["high"] == 0 for name in ("kl", "kl_k3"))
    assert itself["kl"]["n"] == 12

    encoder = DialogueEncoder(load_tokenizer(str(folders["one"]), None))
    loaded = {name: AutoModelForCausalLM.from_pretrained(folders[name]).double() for name in folders}
    differences = []
    for line in map(json.loads, (folder / "answers.jsonl").read_text().splitlines()):
        if line["label"] == "other":
            asked, text = encoder.encode(messages(line["prompt"])), encoder.text(line["answer"])
            text += [encoder.tokenizer.eos_token_id] if line["finish_reason"] != "length" else []
            sums = {}
            for name, model in loaded.items():
                with torch.inference_mode():
                    logs = torch.log_softmax(model(input_ids=torch.tensor([asked + text])).logits[0], -1)
                sums[name] = sum(float(logs[len(asked) - 1 + i, token]) for i, token in enumerate(text))
            differences.append(sums["other"] - sums["one"])
    assert models["other"]["kl"]["value"] == pytest.approx(sum(differences) / len(differences), abs=1e-3)
    assert models["other"]["kl"]["value"] > 1
