"""Supervised fine-tuning with TRL: the loss is on the answers alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import ClassVar

from constitutional.api import (
    MAIN,
    Demonstration,
    Inputs,
    Outputs,
    PolicyModel,
    Port,
    StepFailed,
    WholeContext,
)
from constitutional.builtin.backends.encoding import DialogueEncoder
from constitutional.builtin.trainers import adapters, known_args, stopping, tokens, training
from constitutional.builtin.trainers.parameters import FitParams, training_arguments
from constitutional.builtin.trainers.stages import FitTrainer


class SftParams(FitParams):
    """Parameters of supervised fine-tuning."""

    packing: bool = False
    """Several rows to a sequence; faster where rows are short and attention keeps them apart."""


class SftTrainer(FitTrainer):
    """Fine-tune a policy on demonstrations: the SL-CAI step of Bai et al. 2022, section 3.1, on `trl.SFTTrainer`."""

    kind, name, version = "trainer", "sft", 1
    Params = SftParams
    takes: ClassVar[Mapping[str, Port]] = {
        "model": Port(PolicyModel, about="the policy to start from"),
        "demonstrations": Port(Demonstration, many=True, about="what the policy should say"),
    }

    @classmethod
    def check(cls, params: SftParams) -> Iterable[str]:
        return known_args.all_mistakes("sft", params)

    def run(self, inputs: Inputs, ctx: WholeContext) -> Outputs:
        training.begin(self.params)
        from datasets import Dataset
        from transformers import AutoModelForCausalLM
        from trl import SFTConfig
        from trl import SFTTrainer as Trainer

        p: SftParams = self.params
        tokenizer = training.tokenizer_of(inputs.model())
        rows, dropped = self._rows(inputs, DialogueEncoder(tokenizer))
        taught, held_out = stopping.split(rows, p, _prompt_ids)
        arguments = training_arguments(p, ctx.seed, ctx.workdir, len(taught))
        trainer = Trainer(
            training.load(inputs.model(), AutoModelForCausalLM, p),
            SFTConfig(**arguments, max_length=p.max_length, packing=p.packing, completion_only_loss=True),
            train_dataset=Dataset.from_list(taught),
            eval_dataset=None if held_out is None else Dataset.from_list(held_out),
            processing_class=tokenizer,
            peft_config=adapters.adapter_config(p.lora, "CAUSAL_LM"),
        )
        log = training.train(trainer, ctx, p)
        figures = training.summary(log, trainer, len(taught)) | stopping.figures(trainer, held_out)
        folder = training.keep(trainer, tokenizer, ctx, p, figures, log)
        return Outputs(folders={MAIN: folder}, figures=figures, fates=tokens.fates(len(rows), dropped))

    def _rows(self, inputs: Inputs, encoder: DialogueEncoder) -> tuple[list[dict[str, list[int]]], dict[str, int]]:
        dropped: Counter[str] = Counter()
        rows = []
        for _, (one,) in tokens.usable(
            encoder, inputs.rows("demonstrations"), _answers, self.params.max_length, dropped
        ):
            mask = [0] * len(one.prompt) + [1] * len(one.completion)
            rows.append({"input_ids": one.prompt + one.completion, "completion_mask": mask})
        if not rows:
            raise StepFailed("sft", f"no demonstration is left to train on ({dict(dropped) or 'there were none'})")
        return rows, dropped


def _prompt_ids(row: dict[str, list[int]]) -> list[int]:
    return row["input_ids"][: row["completion_mask"].index(1)]


def _answers(row: Demonstration) -> tuple[str]:
    return (row.completion,)
