"""A policy and its reference, read together."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from constitutional.api import Inputs
from constitutional.builtin.backends.sampling import positions
from constitutional.builtin.math.ppo import entropy
from constitutional.builtin.trainers import adapters, training
from constitutional.builtin.trainers.rounds.params import RoundParams


@dataclass(frozen=True, slots=True)
class Batch:
    """Dialogues: prompts padded on the left, completions on the right.

    `ids` and `attention` are [rows, prompt + completion]; `mask` [rows, completion] is 1 on what was sampled.
    """

    ids: Any
    attention: Any
    mask: Any

    def part(self, rows: Any) -> Batch:
        return Batch(self.ids[rows], self.attention[rows], self.mask[rows])


class Reading(NamedTuple):
    """What a model says of each token of the completions: both [rows, completion]."""

    logps: Any
    entropy: Any


class Policy:
    """A model that learns, and its reference: one that does not, or None where the policy without its adapter is it."""

    def __init__(self, policy: Any, reference: Any | None, precision: Any | None) -> None:
        self.policy, self.reference, self.precision = policy, reference, precision

    def modules(self) -> Mapping[str, Any]:
        """All that may be trained, by a name that stays the same."""
        return {"policy": self.policy}

    def learned(self) -> dict[str, Any]:
        """Every parameter that is trained, by name; tied ones once."""
        return {f"{part}.{name}": one for part, module in self.modules().items()
                for name, one in module.named_parameters() if one.requires_grad}  # fmt: skip

    def read(self, batch: Batch, temperature: float, entropies: bool = True) -> Reading:
        """Log-probabilities at the temperature of sampling, and entropies."""
        with self.computing():
            said = self.ask(self.policy, batch)
        return reading(said.logits, batch, temperature, entropies)

    def reference_logps(self, batch: Batch, temperature: float) -> Any:
        """Log-probabilities of the same tokens under the reference."""
        if self.reference is None:
            with self.policy.disable_adapter(), self.computing():
                said = self.ask(self.policy, batch)
        else:
            with self.computing():
                said = self.ask(self.reference, batch)
        return _logps(said.logits, batch, temperature)[0]

    def learning(self, checkpointing: bool) -> None:
        """Ready for updates; dropout stays off, so that what was sampled is what is read."""
        self.policy.train(checkpointing)

    def sampling(self) -> None:
        """Ready for rollouts."""
        self.policy.eval()

    @contextlib.contextmanager
    def computing(self) -> Iterator[None]:
        """Mixed precision, where it is asked for."""
        import torch

        if self.precision is None:
            yield
            return
        with torch.autocast(self.policy.device.type, dtype=self.precision):
            yield

    def ask(self, model: Any, batch: Batch, **more: Any) -> Any:
        """What a model says of the completions and of the token before them."""
        return model(input_ids=batch.ids, attention_mask=batch.attention, position_ids=positions(batch.attention),
                     use_cache=False, logits_to_keep=batch.mask.shape[1] + 1, **more)  # fmt: skip


def loaded(inputs: Inputs, params: RoundParams) -> Policy:
    """Policy and reference, on the device that there is; the policy as it starts where no reference is connected.

    Raises:
        UserError: if a model cannot be loaded.
    """
    from transformers import AutoModelForCausalLM

    device, precision = training.device_and_precision(params)
    policy = training.load(inputs.model(), AutoModelForCausalLM, params)
    place = training.reference_of(inputs) or (None if params.lora is not None else inputs.model())
    reference = None if place is None else training.load(place, AutoModelForCausalLM, params)
    policy = adapters.added(policy, params.lora, "CAUSAL_LM")
    if params.gradient_checkpointing:
        policy.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    if reference is not None:
        reference.to(device).eval().requires_grad_(False)
    return Policy(policy.to(device).eval(), reference, precision)


def reading(logits: Any, batch: Batch, temperature: float, entropies: bool = True) -> Reading:
    """What `logits` [rows, completion + 1, vocabulary] say of the completions.

    Without `entropies` no gradient flows through them, which takes less time and memory.
    """
    import torch

    logps, logs = _logps(logits, batch, temperature)
    with torch.set_grad_enabled(entropies and torch.is_grad_enabled()):
        return Reading(logps, entropy(logs))


def _logps(logits: Any, batch: Batch, temperature: float) -> tuple[Any, Any]:
    import torch

    logs = torch.log_softmax(logits[:, :-1].float() / temperature, dim=-1)
    taken = batch.ids[:, -batch.mask.shape[1] :]
    return logs.gather(-1, taken[..., None])[..., 0], logs
