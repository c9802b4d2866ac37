"""A process reward model: a class for each step of a solution, read at the separator that follows it.

TRL has no such trainer any more; this is a collator and a loss on transformers' `Trainer`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from constitutional.api import (
    MAIN,
    Inputs,
    Outputs,
    PolicyModel,
    Port,
    ProcessRewardModel,
    StepFailed,
    StepLabels,
    UserError,
    WholeContext,
)
from constitutional.builtin.backends.encoding import DialogueEncoder
from constitutional.builtin.math import losses
from constitutional.builtin.rewards.steps import ProcessScorer, encode_steps
from constitutional.builtin.rewards.weights import right_padded
from constitutional.builtin.trainers import adapters, known_args, launch, stopping, tokens, training
from constitutional.builtin.trainers.parameters import FitParams, training_arguments
from constitutional.builtin.trainers.stages import FitTrainer

#: Probabilities of a reloaded model may differ by this much.
TOLERANCE = 1e-3
#: Rows that are judged again after loading; a head that begins at random again shows in any of them.
COMPARED = 8


class ProcessRewardParams(FitParams):
    """Parameters of a process reward model."""

    separator: str = Field(default="\n", min_length=1)
    """What follows each step; it becomes part of the model, which then tells steps apart by it."""

    soft_labels: bool = True
    """Learn the probability that a step is right where the judge gave one; without, every label counts as certain."""

    first_wrong: bool = True
    """Leave out the steps that follow the first wrong one, on which labels mean little (Lightman et al. 2023)."""

    eval_fraction: float = Field(default=0.1, ge=0, lt=1)
    """Share of the solutions that is held out, by row, to measure agreement on."""


class ProcessRewardTrainer(FitTrainer):
    """Train a reward model that judges each step of a solution (Lightman et al. 2023, arXiv 2305.20050)."""

    kind, name, version = "trainer", "process-reward", 1
    makes = ProcessRewardModel
    Params = ProcessRewardParams
    takes: ClassVar[Mapping[str, Port]] = {
        "model": Port(PolicyModel, about="the model whose body the reward model gets"),
        "step_labels": Port(StepLabels, many=True, about="solutions in steps, each right or wrong"),
    }

    @classmethod
    def check(cls, params: ProcessRewardParams) -> Iterable[str]:
        return known_args.all_mistakes("process-reward", params, sharded=False, policy=False)

    def run(self, inputs: Inputs, ctx: WholeContext) -> Outputs:
        training.begin(self.params)
        from transformers import AutoModelForTokenClassification, TrainingArguments, set_seed

        p: ProcessRewardParams = self.params
        tokenizer = training.tokenizer_of(inputs.model())
        rows, dropped = step_rows(inputs, DialogueEncoder(tokenizer), p)
        learned_from, held_out = tokens.split(rows, p.eval_fraction)
        taught, stopped_by = stopping.split(learned_from, p, _row_id)
        set_seed(ctx.seed % 2**32)
        model = training.load(inputs.model(), AutoModelForTokenClassification, p, num_labels=2)
        model.config.pad_token_id, model.config.step_separator = tokenizer.pad_token_id, p.separator
        model = adapters.added(model, p.lora, "TOKEN_CLS")
        trainer = step_trainer()(
            model=model,
            args=TrainingArguments(**training_arguments(p, ctx.seed, ctx.workdir, len(taught))),
            train_dataset=taught,
            eval_dataset=stopped_by,
            data_collator=StepCollator(tokenizer.pad_token_id),
            processing_class=tokenizer,
        )
        log = training.train(trainer, ctx, p)
        figures = training.summary(log, trainer, len(taught)) | stopping.figures(trainer, stopped_by)
        figures["step_separator"] = p.separator
        seen = held_out or taught[:COMPARED]
        said = probabilities(trainer.model, seen, tokenizer.pad_token_id)
        figures["held_out_agreement"] = agreement(held_out, said if held_out else [], ctx.seed)
        folder = training.keep(trainer, tokenizer, ctx, p, figures, log)
        if launch.rank(p) == 0:
            _compare(folder, seen[:COMPARED], said[:COMPARED])
        return Outputs(folders={MAIN: folder}, figures=figures, fates=tokens.fates(len(rows), dropped))


def _row_id(row: dict[str, Any]) -> Any:
    return row["row_id"]


def step_rows(
    inputs: Inputs, encoder: DialogueEncoder, params: ProcessRewardParams
) -> tuple[list[dict[str, Any]], dict[str, int]]:
    """Rows with `input_ids`, the `places` of the separators and `right`, a probability for each.

    Raises:
        StepFailed: if none is left.
    """
    dropped: Counter[str] = Counter()
    rows = []
    for row in inputs.rows("step_labels"):
        reason, right = _targets(row, params)
        if reason:
            dropped[reason] += 1
            continue
        try:
            ids, places = encode_steps(encoder, row.prompt, row.completions[: len(right)], params.separator)
        except UserError:
            dropped["template"] += 1
            continue
        if len(ids) > params.max_length:
            dropped["too-long"] += 1
        else:
            rows.append({"row_id": row.row_id, "input_ids": ids, "places": places, "right": right})
    if not rows:
        raise StepFailed("process-reward", f"no solution is left to train on ({dict(dropped) or 'there were none'})")
    return rows, dropped


def _targets(row: StepLabels, params: ProcessRewardParams) -> tuple[str, list[float]]:
    """The probability that each step is right, up to the first wrong one if asked; or why the row is of no use."""
    if not row.completions or not all(step.strip() for step in row.completions):
        return "empty", []
    if len(row.labels) != len(row.completions) or len(row.scores) not in (0, len(row.labels)):
        return "labels", []
    if any(params.separator.strip() and params.separator in step for step in row.completions):
        return "separator", []
    right = [float(label) for label in row.labels]
    if params.soft_labels and row.scores:
        right = list(row.scores)
    if params.first_wrong and False in row.labels:
        right = right[: row.labels.index(False) + 1]
    return "", right


class StepCollator:
    """Batches of solutions, padded on the right: `right` is the probability at each separator, -1 at other tokens."""

    def __init__(self, pad: int) -> None:
        self._pad = pad

    def __call__(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        import torch

        ids, mask = right_padded([row["input_ids"] for row in rows], self._pad, "cpu")
        right = torch.full(ids.shape, -1.0)
        for index, row in enumerate(rows):
            right[index, row["places"]] = torch.tensor(row["right"])
        return {"input_ids": ids, "attention_mask": mask, "right": right}


def step_trainer() -> Any:
    """transformers' `Trainer` with cross-entropy at the separators against the probability that a step is right."""
    from transformers import Trainer

    class StepTrainer(stopping.LossAlone, Trainer):  # type: ignore[misc]
        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            self.model_accepts_loss_kwargs = True  # the loss below is divided by all that an optimiser step learns from

        def get_batch_samples(self, epoch_iterator: Any, num_batches: int, device: Any) -> tuple[list[Any], Any]:
            """The batches of an optimiser step, and how many steps of solutions all processes have in theirs."""
            import torch

            batches, _ = super().get_batch_samples(epoch_iterator, num_batches, device)
            count = sum(int((batch["right"] >= 0).sum()) for batch in batches)
            return batches, self.accelerator.gather(torch.tensor(count, device=device)).sum()

        def compute_loss(
            self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
        ) -> Any:
            said = model(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"], use_cache=False)
            here = inputs["right"] >= 0
            logit = (said.logits[..., 1] - said.logits[..., 0])[here].float()
            each = losses.cross_entropy(logit, inputs["right"][here])
            # gradients of several processes are averaged, and solutions of few steps would weigh as much as long ones
            share = None if num_items_in_batch is None else self.accelerator.num_processes / num_items_in_batch
            loss = each.mean() if share is None else each.sum() * share
            return (loss, said) if return_outputs else loss

    return StepTrainer


def probabilities(model: Any, rows: list[dict[str, Any]], pad: int, batch: int = 32) -> list[list[float]]:
    """For each row the probability that each step is right."""
    import torch

    model.eval()
    found: list[list[float]] = []
    for start in range(0, len(rows), batch):
        chunk = rows[start : start + batch]
        ids, mask = right_padded([row["input_ids"] for row in chunk], pad, model.device)
        with torch.inference_mode():
            right = torch.softmax(model(input_ids=ids, attention_mask=mask).logits.float(), dim=-1)[..., 1]
        found += [right[index, row["places"]].tolist() for index, row in enumerate(chunk)]
    return found


def agreement(rows: list[dict[str, Any]], probabilities: list[list[float]], seed: int) -> Any:
    """Share of held-out steps that the model judges as their label does, from the probabilities that it gave each; the
    steps of one solution are one cluster."""
    from constitutional.builtin.math import figures as measures

    hits, clusters = [], []
    for row, said in zip(rows, probabilities, strict=True):
        hits += [(p > 0.5) == (q > 0.5) for p, q in zip(said, row["right"], strict=True)]
        clusters += [row["row_id"]] * len(said)
    return measures.share(hits, measures.generator(seed, "process-reward"), clusters)


def _compare(folder: Path, rows: list[dict[str, Any]], before: list[list[float]]) -> None:
    """Load what was saved, as a reward does, and score again: a head that was lost on the way shows here.

    Raises:
        StepFailed: if the probabilities differ.
    """
    import torch

    torch.manual_seed(torch.initial_seed() ^ 0x5EED)
    after = ProcessScorer(folder).step_probabilities([(row["input_ids"], row["places"]) for row in rows])
    worst = max(abs(p - q) for a, b in zip(before, after, strict=True) for p, q in zip(a, b, strict=True))
    if worst > TOLERANCE:
        raise StepFailed(
            "process-reward", f"the saved model judges differently: {worst:.4g} apart", help="its head was not saved"
        )
