"""Learning from single answers that are good or bad, on `trl.KTOTrainer`."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Literal

from pydantic import Field

from constitutional.api import (
    MAIN,
    Inputs,
    Outputs,
    PolicyModel,
    Port,
    Preference,
    Score,
    StepFailed,
    WholeContext,
    row_seed,
)
from constitutional.builtin.backends.encoding import DialogueEncoder
from constitutional.builtin.trainers import adapters, known_args, preferences, stopping, tokens, training
from constitutional.builtin.trainers.parameters import FitParams, training_arguments
from constitutional.builtin.trainers.stages import FitTrainer

#: TRL's names of what is written otherwise here.
OWN = {"beta": "beta", "loss_type": "loss", "desirable_weight": "desirable_weight",
       "undesirable_weight": "undesirable_weight", "train_sampling_strategy": None}  # fmt: skip


class KtoParams(FitParams):
    """Parameters of Kahneman-Tversky optimisation."""

    beta: float = Field(default=0.1, gt=0)
    """How far the policy may move from the reference: small moves far."""

    loss: Literal["kto", "apo_zero_unpaired"] = "kto"
    """KTO's own loss, or the one of anchored preference optimisation, which estimates no divergence."""

    desirable_weight: float | None = Field(default=None, gt=0)
    """lambda_D, the weight of good answers; where both are left out, the rarer side weighs as much as the other."""

    undesirable_weight: float | None = Field(default=None, gt=0)
    """lambda_U, the weight of bad answers."""

    batch_size: int = Field(default=16, ge=2)
    """Rows a device and step; the estimate of the divergence needs at least two."""

    learning_rate: float = Field(default=1e-6, gt=0)
    """Peak learning rate of AdamW."""


class KtoTrainer(FitTrainer):
    """Optimise a policy on answers that are good or bad, without pairs.

    Kahneman-Tversky optimisation: Ethayarajh et al. 2024 (arXiv 2402.01306), equation 8, on `trl.KTOTrainer`.  Scores
    need a `label`; the two answers of a preference count as a good and a bad one, as in their section 4.1.
    """

    kind, name, version = "trainer", "kto", 1
    Params = KtoParams
    takes: ClassVar[Mapping[str, Port]] = {
        "model": Port(PolicyModel, about="the policy to start from"),
        "scores": Port(Score, many=True, optional=True, about="answers with a label, good or bad"),
        "preferences": Port(Preference, many=True, optional=True, about="pairs: the chosen is good, the rejected bad"),
        "reference": Port(
            PolicyModel, optional=True, about="the reference model; the policy as it starts where left out"
        ),
    }

    @classmethod
    def check(cls, params: KtoParams) -> Iterable[str]:
        yield from known_args.all_mistakes("kto", params, OWN, sharded=False)
        if (params.desirable_weight is None) != (params.undesirable_weight is None):
            yield "write `desirable_weight` and `undesirable_weight` together, or neither"

    @classmethod
    def wired(cls, params: KtoParams, ports: Mapping[str, Sequence[str]]) -> Iterable[str]:
        if not {"scores", "preferences"} & ports.keys():
            yield "there is nothing to learn from: connect `scores: NAME` or `preferences: NAME`"

    def run(self, inputs: Inputs, ctx: WholeContext) -> Outputs:
        training.begin(self.params)
        from datasets import Dataset
        from transformers import AutoModelForCausalLM
        from trl import KTOConfig
        from trl import KTOTrainer as Trainer

        p: KtoParams = self.params
        tokenizer = training.tokenizer_of(inputs.model())
        encoder = DialogueEncoder(tokenizer)
        rows, dropped, unpaired = labelled_rows(inputs, encoder, p, ctx.seed)
        taught, held_out = stopping.split(rows, p, _prompt_of)
        good, bad = weights([row["label"] for row in taught], p)
        place = training.reference_of(inputs) or (None if p.lora is not None else inputs.model())
        arguments = training_arguments(p, ctx.seed, ctx.workdir, len(taught))
        trainer = Trainer(
            training.load(inputs.model(), AutoModelForCausalLM, p),
            None if place is None else training.load(place, AutoModelForCausalLM, p),
            KTOConfig(**arguments, max_length=p.max_length, beta=p.beta, loss_type=p.loss, desirable_weight=good,
                      undesirable_weight=bad),
            train_dataset=Dataset.from_list(taught),
            eval_dataset=None if held_out is None else Dataset.from_list(held_out),
            processing_class=tokens.guarded(encoder),
            peft_config=adapters.adapter_config(p.lora, "CAUSAL_LM"),
        )  # fmt: skip
        log = training.train(trainer, ctx, p)
        desirable = sum(row["label"] for row in taught)
        figures = training.summary(log, trainer, len(taught)) | stopping.figures(trainer, held_out) | {
            "desirable": desirable, "undesirable": len(taught) - desirable, "desirable_weight": good, "undesirable_weight": bad,
            "dropped_preferences": dict(unpaired),
        }  # fmt: skip
        folder = training.keep(trainer, tokenizer, ctx, p, figures, log)
        return Outputs(folders={MAIN: folder}, figures=figures, fates=_fates(inputs, dropped, unpaired))


def _fates(inputs: Inputs, dropped: Mapping[str, int], unpaired: Mapping[str, int]) -> Any:
    """The ledger of the scores, or of the preferences where no scores are connected."""
    port, gone = ("scores", dropped) if inputs.parts("scores") else ("preferences", unpaired)
    return tokens.fates(inputs.count(port) - sum(gone.values()), gone)


def labelled_rows(
    inputs: Inputs, encoder: DialogueEncoder, params: KtoParams, seed: int
) -> tuple[list[dict[str, Any]], dict[str, int], dict[str, int]]:
    """Dialogues with a truth value as label, in a random order that puts no single row into a batch of its own; and
    the scores and the preferences that were dropped, by reason.

    Raises:
        StepFailed: if one of the two labels is not there at all, or nothing is.
    """
    dropped: Counter[str] = Counter()
    unpaired: Counter[str] = Counter()
    judged = (row for row in inputs.rows("scores") if row.label is not None or _count(dropped, "no-label"))
    rows = [_row(row.prompt, row.completion, bool(row.label))
            for row, _ in tokens.usable(encoder, judged, _answer, params.max_length, dropped)]  # fmt: skip
    for pair, _ in tokens.usable(encoder, inputs.rows("preferences"), preferences.answers, params.max_length, unpaired):
        rows += [_row(pair.prompt, pair.chosen, True), _row(pair.prompt, pair.rejected, False)]
    counts = Counter(row["label"] for row in rows)
    if not counts[True] or not counts[False]:
        raise StepFailed(
            "kto", f"{counts[True]} good and {counts[False]} bad answers are left to learn from; both are needed "
            f"({dict(dropped + unpaired) or 'none was dropped'})", help="set the threshold that labels scores so that both occur",
        )  # fmt: skip
    random.Random(row_seed(seed, "trainer/kto", "order")).shuffle(rows)
    if len(rows) % params.batch_size == 1:
        rows.append(rows[0])
    return rows, dropped, unpaired


def _count(dropped: Counter[str], reason: str) -> bool:
    dropped[reason] += 1
    return False


def _row(prompt: Any, completion: str, label: bool) -> dict[str, Any]:
    return {"prompt": [turn.to_json() for turn in prompt], "completion": [{"role": "assistant", "content": completion}],
            "label": label}  # fmt: skip


def _prompt_of(row: dict[str, Any]) -> Any:
    return row["prompt"]


def _answer(row: Score) -> tuple[str]:
    return (row.completion,)


def weights(labels: Sequence[bool], params: KtoParams) -> tuple[float, float]:
    """lambda_D and lambda_U: as written, or such that lambda_D n_D = lambda_U n_U with the smaller of them 1.

    Ethayarajh et al. hold the ratio of the two products between 1:1 and 4:3 (section 4.2).
    """
    if params.desirable_weight is not None and params.undesirable_weight is not None:
        return params.desirable_weight, params.undesirable_weight
    good = sum(labels)
    bad = len(labels) - good
    return max(1.0, bad / good), max(1.0, good / bad)
