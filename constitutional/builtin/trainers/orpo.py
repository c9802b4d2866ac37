"""Odds-ratio preference optimisation: demonstrations and preferences in one stage, without a reference.

TRL keeps its ORPO among the experimental trainers, which come and go, and gives it no probability a row; the loss is a
dozen lines, so it is our own, and a test holds it to TRL's where labels are hard.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from pydantic import Field

from constitutional.api import MAIN, Inputs, Outputs, PolicyModel, Port, Preference, WholeContext
from constitutional.builtin.backends.encoding import DialogueEncoder
from constitutional.builtin.math import losses
from constitutional.builtin.trainers import adapters, known_args, preferences, stopping, tokens, training
from constitutional.builtin.trainers.dpo import PairCollator, logps
from constitutional.builtin.trainers.measured import MeasuredLoss
from constitutional.builtin.trainers.parameters import FitParams, training_arguments
from constitutional.builtin.trainers.stages import FitTrainer


class OrpoParams(FitParams):
    """Parameters of odds-ratio preference optimisation."""

    weight: float = Field(default=0.1, ge=0)
    """lambda, the weight of the odds ratio beside the likelihood of the chosen answers."""

    soft_labels: bool = True
    """Learn the probability `p_chosen` of each pair; without, every label counts as certain."""

    learning_rate: float = Field(default=8e-6, gt=0)
    """Peak learning rate of AdamW."""


class OrpoTrainer(FitTrainer):
    """Teach a policy the chosen answers and to prefer them, in one stage (Hong et al. 2024, arXiv 2403.07691).

    The likelihood is of the completion alone, as in the paper's equation 2; TRL's experimental trainer counts the
    prompt's tokens too.
    """

    kind, name, version = "trainer", "orpo", 1
    Params = OrpoParams
    takes: ClassVar[Mapping[str, Port]] = {
        "model": Port(PolicyModel, about="the policy to start from; a base or fine-tuned model"),
        "preferences": Port(Preference, many=True, about="pairs with the probability that the chosen one is better"),
    }

    @classmethod
    def check(cls, params: OrpoParams) -> Iterable[str]:
        return known_args.all_mistakes("orpo", params)

    def run(self, inputs: Inputs, ctx: WholeContext) -> Outputs:
        training.begin(self.params)
        from transformers import AutoModelForCausalLM, TrainingArguments, set_seed

        p: OrpoParams = self.params
        tokenizer = training.tokenizer_of(inputs.model())
        rows, dropped = preferences.pairs(inputs, DialogueEncoder(tokenizer), p.max_length, p.soft_labels)
        model = training.load(inputs.model(), AutoModelForCausalLM, p)
        if p.lora is not None:
            from peft import get_peft_model

            set_seed(ctx.seed % 2**32)  # an adapter begins at random
            model = get_peft_model(model, adapters.adapter_config(p.lora, "CAUSAL_LM"))
        taught, held_out = stopping.split(rows, p, preferences.prompt_of)
        trainer = orpo_trainer()(
            model=model,
            args=TrainingArguments(**training_arguments(p, ctx.seed, ctx.workdir, len(taught))),
            train_dataset=taught,
            eval_dataset=held_out,
            data_collator=PairCollator(tokenizer.pad_token_id),
            processing_class=tokenizer,
            weight=p.weight,
        )
        log = training.train(trainer, ctx, p)
        figures = training.summary(log, trainer, len(taught)) | stopping.figures(trainer, held_out)
        folder = training.keep(trainer, tokenizer, ctx, p, figures, log)
        return Outputs(folders={MAIN: folder}, figures=figures, fates=tokens.fates(len(rows), dropped))


def orpo_trainer() -> Any:
    """transformers' `Trainer` with the loss of odds ratios."""
    from transformers import Trainer

    class OddsTrainer(MeasuredLoss, Trainer):  # type: ignore[misc]
        measure = "log_odds_ratio"

        def __init__(self, *, weight: float, **options: Any) -> None:
            super().__init__(**options)
            self._weight = weight

        def compute_loss(
            self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
        ) -> Any:
            chosen, rejected = logps(model, inputs, mean=True).chunk(2)
            self.measured(model, losses.log_odds(chosen) - losses.log_odds(rejected))
            loss = losses.orpo(chosen, rejected, inputs["p_chosen"], weight=self._weight)
            return (loss, {}) if return_outputs else loss

    return OddsTrainer
