"""What DPO and ORPO share: a loss of their own on pairs, with a probability per pair, on transformers' `Trainer`."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from constitutional.api import MAIN, Inputs, Outputs, WholeContext
from constitutional.builtin.backends.encoding import DialogueEncoder
from constitutional.builtin.math import losses
from constitutional.builtin.trainers import adapters, preferences, stopping, tokens, training
from constitutional.builtin.trainers.measured import MeasuredLoss
from constitutional.builtin.trainers.parameters import training_arguments
from constitutional.builtin.trainers.stages import FitTrainer


class PairTrainer(FitTrainer):
    """A trainer of a policy on pairs."""

    kind = "trainer"
    #: What is measured of each pair beside the loss, as the log calls it.
    measure: ClassVar[str]

    @abstractmethod
    def loss(self, model: Any, batch: Mapping[str, Any]) -> tuple[Any, Any]:
        """Of a batch of `PairCollator`: the loss, a scalar, and what is measured of each pair, [pairs]."""

    def begin(self, inputs: Inputs, policy: Any, rows: list[dict[str, Any]], pad: int) -> None:
        """Give the rows what the loss needs of the policy as it starts: nothing, unless there is a reference."""

    def run(self, inputs: Inputs, ctx: WholeContext) -> Outputs:
        training.begin(self.params)
        from transformers import AutoModelForCausalLM, TrainingArguments, set_seed

        p = self.params
        tokenizer = training.tokenizer_of(inputs.model())
        rows, dropped = preferences.pairs(inputs, DialogueEncoder(tokenizer), p.max_length, p.soft_labels)
        model = training.load(inputs.model(), AutoModelForCausalLM, p)
        self.begin(inputs, model, rows, tokenizer.pad_token_id)
        if p.lora is not None:
            set_seed(ctx.seed % 2**32)  # an adapter begins at random
            model = adapters.added(model, p.lora, "CAUSAL_LM")
        taught, held_out = stopping.split(rows, p, preferences.prompt_of)
        trainer = _trainer(self)(
            model=model,
            args=TrainingArguments(**training_arguments(p, ctx.seed, ctx.workdir, len(taught))),
            train_dataset=taught,
            eval_dataset=held_out,
            data_collator=PairCollator(tokenizer.pad_token_id),
            processing_class=tokenizer,
        )
        log = training.train(trainer, ctx, p)
        figures = training.summary(log, trainer, len(taught)) | stopping.figures(trainer, held_out)
        folder = training.keep(trainer, tokenizer, ctx, p, figures, log)
        return Outputs(folders={MAIN: folder}, figures=figures, fates=tokens.fates(len(rows), dropped))


class PairCollator:
    """Batches of pairs: all chosen dialogues, then all rejected ones, padded on the right.

    `completion` is 1 on the tokens of the answers; `reference` holds the reference's log-probabilities, [2 pairs].
    """

    def __init__(self, pad: int) -> None:
        self._pad = pad

    def __call__(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        import torch

        answers = [(row["prompt_ids"], row[f"{side}_ids"]) for side in ("chosen", "rejected") for row in rows]
        longest = max(len(prompt) + len(answer) for prompt, answer in answers)
        fill = [longest - len(prompt) - len(answer) for prompt, answer in answers]
        batch = {
            "input_ids": torch.tensor([p + a + [self._pad] * f for (p, a), f in zip(answers, fill, strict=True)]),
            "attention_mask": torch.tensor([[1] * (longest - f) + [0] * f for f in fill]),
            "completion": torch.tensor(
                [[0] * len(p) + [1] * len(a) + [0] * f for (p, a), f in zip(answers, fill, strict=True)]
            ),
            "p_chosen": torch.tensor([row["p_chosen"] for row in rows]),
        }
        if "reference" in rows[0]:
            batch["reference"] = torch.tensor([row["reference"][side] for side in (0, 1) for row in rows])
        return batch


def logps(model: Any, batch: Mapping[str, Any], *, mean: bool) -> Any:
    """Log-probabilities of the answers, [2 pairs]: means over their tokens, or sums."""
    said = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], use_cache=False)
    return losses.completion_logps(said.logits, batch["input_ids"], batch["completion"], mean=mean)


def _trainer(stage: PairTrainer) -> Any:
    """transformers' `Trainer` with the loss of a stage."""
    from transformers import Trainer

    class LossOfPairs(MeasuredLoss, Trainer):  # type: ignore[misc]
        measure = stage.measure

        def compute_loss(
            self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
        ) -> Any:
            loss, seen = stage.loss(model, inputs)
            self.measured(model, seen)
            return (loss, {}) if return_outputs else loss

    return LossOfPairs
