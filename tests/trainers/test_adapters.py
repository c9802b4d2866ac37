"""Adapters on adapters, adapters on trained weights, and adapters on weights of few bits."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch

from constitutional.api import Request, UserError, user
from constitutional.builtin.backends.transformers import TransformersBackend, TransformersParams
from constitutional.builtin.trainers import adapters
from constitutional.builtin.trainers.dpo import DpoParams, DpoTrainer
from constitutional.builtin.trainers.grpo import GrpoParams, GrpoTrainer
from constitutional.builtin.trainers.parameters import Lora
from constitutional.builtin.trainers.ppo.params import PpoParams
from constitutional.builtin.trainers.ppo.trainer import PpoTrainer
from constitutional.builtin.trainers.reward import RewardParams, RewardTrainer
from constitutional.builtin.trainers.sft import SftParams, SftTrainer
from tests.backends.conftest import generate, opened
from tests.trainers import bandit

from tests.trainers.support import demonstrations, preferences as pairs, train  # fmt: skip  # isort: skip

ASK = [Request((user("who are you"),), max_new_tokens=16)]
SLOW_LEARNER: dict[str, Any] = {"learning_rate": 1e-12, "batch_size": 8, "max_length": 96}


def sft(**params: Any) -> SftTrainer:
    usual = {"learning_rate": 2e-2, "batch_size": 8, "epochs": 30, "max_length": 96}
    return SftTrainer(SftParams.model_validate({**usual, **params}))


def drawn(model: Path, folder: Path, seed: int, **options: Any) -> Path:
    """An adapter with random factors."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(seed)
    told = {
        "r": 4,
        "lora_alpha": 8,
        "target_modules": "all-linear",
        "task_type": "CAUSAL_LM",
        "init_lora_weights": False,
    }
    made = get_peft_model(AutoModelForCausalLM.from_pretrained(model), LoraConfig(**{**told, **options}))
    made.save_pretrained(folder)
    return folder


def weights_with(model: Path, *folders: Path) -> dict[str, torch.Tensor]:
    """The weights of a model with adapters merged into it, one after the other."""
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    made = AutoModelForCausalLM.from_pretrained(model)
    for folder in folders:
        made = PeftModel.from_pretrained(made, folder).merge_and_unload()
    return {name: value.detach() for name, value in made.named_parameters()}


@pytest.mark.parametrize("above", [{}, {"r": 2, "lora_alpha": 1}, {"target_modules": ["q_proj", "up_proj"]}],
                         ids=["alike", "other rank", "fewer modules"])  # fmt: skip
def test_two_adapters_become_one_that_does_what_both_did(model: Path, tmp_path: Path, above: dict[str, Any]) -> None:
    lower, upper = drawn(model, tmp_path / "lower", 1), drawn(model, tmp_path / "upper", 2, **above)
    both = weights_with(model, lower, upper)
    config = upper / "adapter_config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "base_model_name_or_path": str(lower)}))
    adapters.settle(upper)
    assert json.loads(config.read_text())["base_model_name_or_path"] == str(model)
    one = weights_with(model, upper)
    assert all(torch.allclose(one[name], both[name], atol=1e-5) for name in both)
    assert any(not torch.allclose(both[name], weights_with(model, lower)[name], atol=1e-3) for name in both)


def test_of_an_adapter_of_the_weights_themselves_only_the_order_of_names_is_settled(
    model: Path, tmp_path: Path
) -> None:
    folder = drawn(model, tmp_path / "one", 1)
    before, said = (
        (folder / "adapter_model.safetensors").read_bytes(),
        json.loads((folder / "adapter_config.json").read_text()),
    )
    adapters.settle(folder)
    assert (folder / "adapter_model.safetensors").read_bytes() == before
    after = json.loads((folder / "adapter_config.json").read_text())
    assert after.pop("target_modules") == sorted(said.pop("target_modules"))
    assert after == said


@pytest.fixture(scope="module")
def taught(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An adapter that says "yes indeed"."""
    return train(sft(lora={"r": 8}), tmp_path_factory.mktemp("taught"), model, demonstrations=demonstrations()).folder


@pytest.mark.parametrize("name", ["sft", "dpo", "ppo", "grpo"])
def test_a_training_on_top_of_an_adapter_leaves_what_that_had_learned(
    name: str, model: Path, taught: Path, tmp_path: Path
) -> None:
    lora = Lora(r=4)
    group = {"reward": {"rules": {"max_words": 9}}, "max_steps": 1, "max_new_tokens": 4, **SLOW_LEARNER}
    stage, rows = {
        "sft": (sft(lora=lora, **SLOW_LEARNER, epochs=1), {"demonstrations": demonstrations()}),
        "dpo": (DpoTrainer(DpoParams(lora=lora, **SLOW_LEARNER)), {"preferences": pairs()}),
        "ppo": (PpoTrainer(PpoParams.model_validate({**group, "max_steps": None, "iterations": 1, "rollout_batch": 8, "lora": lora})),
                {"prompts": bandit.prompts()}),
        "grpo": (GrpoTrainer(GrpoParams.model_validate({**group, "group_size": 4, "lora": lora})), {"prompts": bandit.prompts()}),
    }[name]  # fmt: skip
    done = train(stage, tmp_path, taught, **rows)
    assert json.loads((done.folder / "adapter_config.json").read_text())["base_model_name_or_path"] == str(model)
    assert generate(opened(model, adapter=done.folder), ASK)[0].text == "yes indeed"


def test_what_cannot_become_one_adapter_is_said_before_the_training(model: Path, tmp_path: Path) -> None:
    unusual = drawn(model, tmp_path / "dora", 1, use_dora=True)
    with pytest.raises(UserError, match="use_dora") as caught:
        train(sft(lora={"r": 4}), tmp_path / "on", unusual, demonstrations=demonstrations())
    assert "merge: true" in str(caught.value.help)
    merged = train(
        sft(lora={"r": 4, "merge": True}, epochs=1), tmp_path / "m", unusual, demonstrations=demonstrations()
    )
    assert (merged.folder / "model.safetensors").is_file()


def test_the_backend_puts_an_adapter_on_the_weights_that_it_was_trained_on(model: Path, tmp_path: Path) -> None:
    whole = train(sft(), tmp_path / "whole", model, demonstrations=demonstrations()).folder
    assert generate(opened(whole), ASK)[0].text == "yes indeed"
    above = train(
        sft(lora={"r": 4}, **SLOW_LEARNER, epochs=1), tmp_path / "above", whole, demonstrations=demonstrations()
    )
    params = TransformersBackend.trained(TransformersParams(model=str(model), device="cpu"), above.folder)
    assert isinstance(params, TransformersParams)
    assert (params.model, params.adapter) == (str(whole), above.folder)
    assert generate(opened(whole, adapter=above.folder), ASK)[0].text == "yes indeed"


def test_an_adapter_that_does_not_say_where_it_belongs_is_refused(model: Path, tmp_path: Path) -> None:
    from constitutional.builtin.backends.loading import base_of

    folder = drawn(model, tmp_path / "one", 1)
    (folder / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": str(folder)}))
    with pytest.raises(UserError, match="belongs to itself"):
        base_of(str(folder))
    (folder / "adapter_config.json").write_text("{}")
    with pytest.raises(UserError, match="does not say"):
        base_of(str(folder))


def test_adapters_that_belong_to_each_other_are_refused(model: Path, tmp_path: Path) -> None:
    from constitutional.builtin.backends.loading import base_of

    names = ["above", "one", "two"]
    above, one, two = (drawn(model, tmp_path / name, seed) for seed, name in enumerate(names))
    for folder, below in ((above, one), (one, two), (two, one)):
        (folder / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": str(below)}))
    for place in (above, one):
        with pytest.raises(UserError, match=re.escape(f"{one} -> {two} -> {one}")):
            base_of(str(place))
    (two / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": str(model)}))
    assert base_of(str(above)) == str(model)


# -- few bits --------------------------------------------------------------------------------------------------------------


def test_bits_need_their_package_and_are_for_policies(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("bitsandbytes")
    few = Lora(bits=4)
    assert list(SftTrainer.check(SftParams(lora=few))) == []
    assert "for policies" in next(iter(RewardTrainer.check(RewardParams(lora=few))))
    sharded = SftParams.model_validate({"lora": {"bits": 4}, "launch": {"processes": 2, "strategy": "fsdp"}})
    assert any("do not go together" in said for said in SftTrainer.check(sharded))
    monkeypatch.setattr(adapters, "find_spec", lambda _: None)
    assert list(SftTrainer.check(SftParams(lora=few))) == [
        "`lora.bits` needs the package `bitsandbytes`, which is not installed: `pip install bitsandbytes`"
    ]


@pytest.mark.parametrize("merge", [False, True], ids=["adapter", "merged"])
def test_few_bits_learn_and_the_precise_weights_say_it(model: Path, tmp_path: Path, merge: bool) -> None:
    pytest.importorskip("bitsandbytes")
    done = train(sft(lora={"r": 8, "bits": 4, "merge": merge}), tmp_path, model, demonstrations=demonstrations())
    assert done.figures["last_loss"] < 2.6 < 5 < done.figures["first_loss"]
    said = opened(done.folder) if merge else opened(model, adapter=done.folder)
    assert generate(said, ASK)[0].text == "yes indeed"
    assert not (done.folder / "adapter_config.json").exists() if merge else True


def test_few_bits_are_four_and_hold_no_head(model: Path, taught: Path) -> None:
    pytest.importorskip("bitsandbytes")
    from transformers import AutoModelForCausalLM

    from constitutional.builtin.trainers import training

    for start in (model, taught):  # weights, and weights with an adapter merged into them
        loaded = training.load(str(start), AutoModelForCausalLM, SftParams(lora=Lora(bits=4)))
        kinds = {name: type(part).__name__ for name, part in loaded.named_modules()}
        assert kinds["lm_head"] == "Linear"
        assert kinds["model.layers.0.self_attn.q_proj"] == "Linear4bit"
        assert loaded.name_or_path == str(start)


@pytest.mark.parametrize("reference", [False, True], ids=["itself", "another"])
def test_preferences_are_learned_in_few_bits_from_an_adapter(
    model: Path, taught: Path, tmp_path: Path, reference: bool
) -> None:
    pytest.importorskip("bitsandbytes")
    stage = DpoTrainer(DpoParams(learning_rate=3e-3, batch_size=8, epochs=4, max_length=96, lora=Lora(r=4, bits=4)))
    more = {"reference": model} if reference else {}
    done = train(stage, tmp_path, taught, **more, preferences=pairs())
    assert done.figures["last_loss"] < done.figures["first_loss"]
    assert json.loads((done.folder / "adapter_config.json").read_text())["r"] == 12


@pytest.mark.parametrize("lora", [None, {"r": 2}], ids=["whole", "adapter"])
def test_a_reward_model_takes_the_body_of_an_adapters_step(
    model: Path, tmp_path: Path, lora: dict[str, Any] | None
) -> None:
    policy = drawn(model, tmp_path / "policy", 1, base_model_name_or_path=str(model))
    stage = RewardTrainer(RewardParams.model_validate({**SLOW_LEARNER, "max_steps": 1, "lora": lora}))
    done = train(stage, tmp_path, policy, preferences=pairs(8))
    if lora is None:
        from transformers import AutoModelForSequenceClassification

        body = dict(AutoModelForSequenceClassification.from_pretrained(done.folder).named_parameters())
        wanted = weights_with(model, policy)
        assert all(torch.allclose(body[name], wanted[name], atol=1e-5) for name in wanted if name.startswith("model."))
    else:
        said = json.loads((done.folder / "adapter_config.json").read_text())
        assert (said["r"], said["base_model_name_or_path"]) == (6, str(model))
