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

from constitutional.api import Inputs, PolicyModel, Port, Preference
from constitutional.builtin.math import losses
from constitutional.builtin.trainers import known_args, training
from constitutional.builtin.trainers.pairs import PairCollator, PairTrainer, logps
from constitutional.builtin.trainers.parameters import FitParams

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


class DpoTrainer(PairTrainer):
    """Optimise a policy on preferences directly (Rafailov et al. 2023), soft labels and all."""

    name, version = "dpo", 1
    measure = "margin"
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

    def begin(self, inputs: Inputs, policy: Any, rows: list[dict[str, Any]], pad: int) -> None:
        from transformers import AutoModelForCausalLM

        place = training.reference_of(inputs)
        reference = policy if place is None else training.load(place, AutoModelForCausalLM, self.params)
        add_reference(reference, rows, self.params, pad)

    def loss(self, model: Any, batch: Mapping[str, Any]) -> tuple[Any, Any]:
        p: DpoParams = self.params
        chosen, rejected = logps(model, batch, mean=p.loss == "ipo").chunk(2)
        held = batch["reference"].chunk(2)
        more = {} if p.flip_rate is None else {"flip_rate": p.flip_rate}
        loss = LOSSES[p.loss](chosen, rejected, *held, batch["p_chosen"], beta=p.beta, **more)
        return loss, (chosen - held[0]) - (rejected - held[1])


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
