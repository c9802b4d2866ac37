"""Direct preference optimisation with a probability per pair.

TRL's DPO trainer takes one label smoothing for all rows and no probability a row, and it has no public place for a loss,
so this is our own: a collator and a loss on transformers' `Trainer`.  Where all labels are hard it gives TRL's loss, and
a test holds the two together.  The reference's log-probabilities are computed once, before the first step, so that no
second model is in memory while training.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field

from constitutional.api import MAIN, Inputs, Outputs, PolicyModel, Port, Preference, WholeContext
from constitutional.builtin.backends.encoding import DialogueEncoder
from constitutional.builtin.math import losses
from constitutional.builtin.trainers import adapters, known_args, preferences, stopping, tokens, training
from constitutional.builtin.trainers.measured import MeasuredLoss
from constitutional.builtin.trainers.parameters import FitParams, training_arguments
from constitutional.builtin.trainers.stages import FitTrainer

LOSSES: dict[str, Callable[..., Any]] = {
    "sigmoid": losses.dpo, "ipo": losses.ipo, "hinge": losses.hinge, "robust": losses.robust,
}  # fmt: skip


class DpoParams(FitParams):
    """Parameters of direct preference optimisation."""

    beta: float = Field(default=0.1, gt=0)
    """How far the policy may move from the reference: small moves far."""

    loss: Literal["sigmoid", "ipo", "hinge", "robust"] = "sigmoid"
    """The loss on the log-ratio: DPO's own, IPO's, SLiC's, or DPO's for labels that are wrong at a known rate."""

    flip_rate: float | None = Field(default=None, ge=0, lt=0.5)
    """For `robust`: the share of labels that are thought to be wrong."""

    soft_labels: bool = True
    """Learn the probability `p_chosen` of each pair; without, every label counts as certain."""

    learning_rate: float = Field(default=5e-7, gt=0)
    """Peak learning rate of AdamW."""


class DpoTrainer(FitTrainer):
    """Optimise a policy on preferences directly (Rafailov et al. 2023), soft labels and all."""

    kind, name, version = "trainer", "dpo", 1
    Params = DpoParams
    takes: ClassVar[Mapping[str, Port]] = {
        "model": Port(PolicyModel, about="the policy to start from"),
        "preferences": Port(Preference, many=True, about="pairs with the probability that the chosen one is better"),
        "reference": Port(
            PolicyModel, optional=True, about="the reference model; the policy as it starts where left out"
        ),
    }

    @classmethod
    def check(cls, params: DpoParams) -> Iterable[str]:
        yield from known_args.all_mistakes("dpo", params)
        if (params.loss == "robust") != (params.flip_rate is not None):
            yield "`loss: robust` and `flip_rate` go together"

    def run(self, inputs: Inputs, ctx: WholeContext) -> Outputs:
        training.begin(self.params)
        from transformers import AutoModelForCausalLM, TrainingArguments, set_seed

        p: DpoParams = self.params
        tokenizer = training.tokenizer_of(inputs.model())
        rows, dropped = preferences.pairs(inputs, DialogueEncoder(tokenizer), p.max_length, p.soft_labels)
        model = training.load(inputs.model(), AutoModelForCausalLM, p)
        add_reference(self._reference(inputs, model), rows, p, tokenizer.pad_token_id)
        if p.lora is not None:
            from peft import get_peft_model

            set_seed(ctx.seed % 2**32)  # an adapter begins at random
            model = get_peft_model(model, adapters.adapter_config(p.lora, "CAUSAL_LM"))
        taught, held_out = stopping.split(rows, p, preferences.prompt_of)
        trainer = dpo_trainer()(
            model=model,
            args=TrainingArguments(**training_arguments(p, ctx.seed, ctx.workdir, len(taught))),
            train_dataset=taught,
            eval_dataset=held_out,
            data_collator=PairCollator(tokenizer.pad_token_id),
            processing_class=tokenizer,
            params=p,
        )
        log = training.train(trainer, ctx, p)
        figures = training.summary(log, trainer, len(taught)) | stopping.figures(trainer, held_out)
        folder = training.keep(trainer, tokenizer, ctx, p, figures, log)
        return Outputs(folders={MAIN: folder}, figures=figures, fates=tokens.fates(len(rows), dropped))

    def _reference(self, inputs: Inputs, policy: Any) -> Any:
        from transformers import AutoModelForCausalLM

        place = training.reference_of(inputs)
        return policy if place is None else training.load(place, AutoModelForCausalLM, self.params)


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


def add_reference(model: Any, rows: list[dict[str, Any]], params: DpoParams, pad: int) -> None:
    """Give each row `reference`: the log-probabilities of its chosen and rejected answer under the reference."""
    import torch

    if torch.cuda.is_available():
        model.to("cuda")
    model.eval()
    by_length = sorted(rows, key=lambda row: len(row["prompt_ids"]) + len(row["chosen_ids"]))
    for start in range(0, len(rows), params.batch_size):
        chunk = by_length[start : start + params.batch_size]
        batch = {name: value.to(model.device) for name, value in PairCollator(pad)(chunk).items()}
        with torch.inference_mode():
            chosen, rejected = logps(model, batch, mean=params.loss == "ipo").float().chunk(2)
        for row, c, r in zip(chunk, chosen.tolist(), rejected.tolist(), strict=True):
            row["reference"] = (c, r)


def dpo_trainer() -> Any:
    """transformers' `Trainer` with the loss of preferences."""
    from transformers import Trainer

    class PreferenceTrainer(MeasuredLoss, Trainer):  # type: ignore[misc]
        measure = "margin"

        def __init__(self, *, params: DpoParams, **options: Any) -> None:
            super().__init__(**options)
            self._params = params

        def compute_loss(
            self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
        ) -> Any:
            chosen, rejected = logps(model, inputs, mean=self._params.loss == "ipo").chunk(2)
            reference_chosen, reference_rejected = inputs["reference"].chunk(2)
            self.measured(model, (chosen - reference_chosen) - (rejected - reference_rejected))
            more = {} if self._params.flip_rate is None else {"flip_rate": self._params.flip_rate}
            loss = LOSSES[self._params.loss](
                chosen,
                rejected,
                reference_chosen,
                reference_rejected,
                inputs["p_chosen"],
                beta=self._params.beta,
                **more,
            )
            return (loss, {}) if return_outputs else loss

    return PreferenceTrainer
