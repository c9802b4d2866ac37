"""A reward model with TRL, on soft labels: a probability per pair in place of a verdict."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import fmean, pstdev
from typing import Any, ClassVar

from pydantic import Field

from constitutional.api import (
    MAIN,
    Inputs,
    Outputs,
    PolicyModel,
    Port,
    Preference,
    RewardModel,
    StepFailed,
    WholeContext,
)
from constitutional.builtin.backends.encoding import DialogueEncoder
from constitutional.builtin.math import losses
from constitutional.builtin.trainers import adapters, known_args, launch, preferences, stopping, tokens, training
from constitutional.builtin.trainers.parameters import FitParams, training_arguments
from constitutional.builtin.trainers.stages import FitTrainer

#: Scores of a reloaded model may differ by this much, relative to their spread.
TOLERANCE = 1e-3
#: Pairs whose scores are asked for again after loading; a head that begins at random again shows in any of them.
COMPARED = 8
#: Pairs from which the spread of the scores is measured.
SPREAD = 512


class RewardParams(FitParams):
    """Parameters of a reward model."""

    soft_labels: bool = True
    """Learn the probability `p_chosen` of each pair; without, every label counts as certain."""

    centring: float = Field(default=0.0, ge=0)
    """Weight of (r_chosen + r_rejected)^2, which keeps rewards around zero."""

    eval_fraction: float = Field(default=0.1, ge=0, lt=1)
    """Share of the pairs that is held out, by row, to measure agreement on."""


class RewardTrainer(FitTrainer):
    """Train a reward model on preferences, soft labels and all: the preference model of RL-CAI (Bai et al. 2022, section 4.1)."""

    kind, name, version = "trainer", "reward", 1
    makes = RewardModel
    Params = RewardParams
    takes: ClassVar[Mapping[str, Port]] = {
        "model": Port(PolicyModel, about="the model whose body the reward model gets"),
        "preferences": Port(Preference, many=True, about="pairs with the probability that the chosen one is better"),
    }

    @classmethod
    def check(cls, params: RewardParams) -> Iterable[str]:
        return known_args.all_mistakes("reward", params, sharded=False, policy=False)

    def run(self, inputs: Inputs, ctx: WholeContext) -> Outputs:
        training.begin(self.params)
        from datasets import Dataset
        from transformers import AutoModelForSequenceClassification, set_seed
        from trl import RewardConfig

        p: RewardParams = self.params
        tokenizer = training.tokenizer_of(inputs.model())
        rows, dropped = preferences.pairs(inputs, DialogueEncoder(tokenizer), p.max_length, p.soft_labels)
        learned_from, held_out = tokens.split(rows, p.eval_fraction)
        taught, stopped_by = stopping.split(learned_from, p, preferences.prompt_of)
        set_seed(ctx.seed % 2**32)
        model = training.load(inputs.model(), AutoModelForSequenceClassification, p, num_labels=1)
        model.config.pad_token_id = tokenizer.pad_token_id
        arguments = training_arguments(p, ctx.seed, ctx.workdir, len(taught))
        trainer = soft_reward_trainer()(
            model,
            RewardConfig(**arguments, max_length=p.max_length, center_rewards_coefficient=p.centring or None),
            train_dataset=Dataset.from_list([_whole(row) for row in taught]),
            eval_dataset=None if stopped_by is None else Dataset.from_list([_whole(row) for row in stopped_by]),
            processing_class=tokenizer,
            peft_config=adapters.adapter_config(p.lora, "SEQ_CLS"),
            data_collator=Collator(tokenizer.pad_token_id),
        )
        log = training.train(trainer, ctx, p)
        figures = training.summary(log, trainer, len(taught)) | stopping.figures(trainer, stopped_by)
        seen = held_out or taught[:SPREAD]
        measured = scores(trainer.model, seen, tokenizer.pad_token_id)
        figures |= agreement(measured if held_out else []) | spread(measured[:SPREAD])
        folder = training.keep(trainer, tokenizer, ctx, p, figures, log)
        if launch.rank(p) == 0:
            _compare(folder, seen[:COMPARED], tokenizer.pad_token_id, measured[:COMPARED], p)
        return Outputs(folders={MAIN: folder}, figures=figures, fates=tokens.fates(len(rows), dropped))


class Collator:
    """Batches of pairs: all chosen dialogues, then all rejected ones, padded on the right, with `p_chosen`."""

    def __init__(self, pad: int) -> None:
        self._pad = pad

    def __call__(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        import torch

        dialogues = [row["chosen_ids"] for row in rows] + [row["rejected_ids"] for row in rows]
        longest = max(map(len, dialogues))
        ids = torch.tensor([ids + [self._pad] * (longest - len(ids)) for ids in dialogues])
        mask = torch.tensor([[1] * len(ids) + [0] * (longest - len(ids)) for ids in dialogues])
        return {"input_ids": ids, "attention_mask": mask, "p_chosen": torch.tensor([row["p_chosen"] for row in rows])}


def soft_reward_trainer() -> Any:
    """TRL's reward trainer with the loss against a probability; `compute_loss` is the public place for a loss."""
    from trl import RewardTrainer as Trainer

    class SoftRewardTrainer(stopping.LossAlone, Trainer):  # type: ignore[misc]
        def compute_loss(
            self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
        ) -> Any:
            inputs = dict(inputs)
            p_chosen = inputs.pop("p_chosen")
            _, outputs = super().compute_loss(model, inputs, return_outputs=True, num_items_in_batch=num_items_in_batch)
            chosen, rejected = outputs.logits.squeeze(-1).chunk(2)
            centring = self.args.center_rewards_coefficient or 0.0
            loss = losses.bradley_terry(chosen, rejected, p_chosen.to(chosen), centring=centring)
            return (loss, outputs) if return_outputs else loss

    return SoftRewardTrainer


def _whole(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "chosen_ids": row["prompt_ids"] + row["chosen_ids"],
        "rejected_ids": row["prompt_ids"] + row["rejected_ids"],
        "p_chosen": row["p_chosen"],
    }


def scores(model: Any, rows: list[dict[str, Any]], pad: int, batch: int = 32) -> list[tuple[float, float]]:
    """Rewards of the chosen and the rejected answer of each pair."""
    import torch

    model.eval()
    found: list[tuple[float, float]] = []
    for start in range(0, len(rows), batch):
        fed = Collator(pad)([_whole(row) for row in rows[start : start + batch]])
        with torch.inference_mode():
            said = model(
                input_ids=fed["input_ids"].to(model.device), attention_mask=fed["attention_mask"].to(model.device)
            )
        chosen, rejected = said.logits.squeeze(-1).float().chunk(2)
        found += list(zip(chosen.tolist(), rejected.tolist(), strict=True))
    return found


def agreement(pairs: Sequence[tuple[float, float]]) -> dict[str, Any]:
    """Share of held-out pairs, each with its rewards, in which the reward prefers what the label prefers."""
    if not pairs:
        return {"held_out": 0, "held_out_agreement": None}
    right = sum(chosen > rejected for chosen, rejected in pairs)
    return {"held_out": len(pairs), "held_out_agreement": right / len(pairs)}


def spread(pairs: Sequence[tuple[float, float]]) -> dict[str, Any]:
    """Mean and deviation of the scores of single answers: what `normalise` takes off and divides by."""
    found = [score for pair in pairs for score in pair]
    return {"score_mean": fmean(found), "score_std": pstdev(found)}


def _compare(
    folder: Path, rows: list[dict[str, Any]], pad: int, before: list[tuple[float, float]], params: RewardParams
) -> None:
    """Load what was saved and score again: a head that was lost on the way shows here and not in the policy.

    Raises:
        StepFailed: if the scores differ.
    """
    import torch
    from transformers import AutoModelForSequenceClassification

    torch.manual_seed(torch.initial_seed() ^ 0x5EED)
    if params.lora is not None and not params.lora.merge:
        from peft import AutoPeftModelForSequenceClassification

        again = AutoPeftModelForSequenceClassification.from_pretrained(folder, num_labels=1)
        again.config.pad_token_id = pad
    else:
        again = AutoModelForSequenceClassification.from_pretrained(
            folder, dtype=torch.float32, local_files_only=True, use_safetensors=True, trust_remote_code=False
        )
    after = scores(again, rows, pad)
    flat_before, flat_after = [x for pair in before for x in pair], [x for pair in after for x in pair]
    spread = max(1.0, max(flat_before) - min(flat_before))
    worst = max(abs(a - b) for a, b in zip(flat_before, flat_after, strict=True))
    if worst > TOLERANCE * spread:
        raise StepFailed(
            "reward", f"the saved reward model scores differently: {worst:.4g} apart", help="its head was not saved"
        )
