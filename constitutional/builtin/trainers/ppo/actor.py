"""The models of PPO: a policy, its value function and its reference, read together."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from constitutional.builtin.backends.sampling import positions
from constitutional.builtin.math.ppo import entropy


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
    """What the models say of each token of the completions: all [rows, completion]."""

    logps: Any
    entropy: Any
    values: Any


class Actor:
    """A policy with a linear value head on its last hidden states, or on those of a body of its own.

    The reference is a model that does not learn, or None where the policy without its adapter is the reference.
    """

    def __init__(self, policy: Any, reference: Any | None, body: Any | None, precision: Any | None) -> None:
        import torch

        self.policy, self.reference, self._body = policy, reference, body
        self._precision = precision
        self.head = torch.nn.Linear(policy.config.get_text_config().hidden_size, 1).to(policy.device)
        torch.nn.init.zeros_(self.head.weight)
        torch.nn.init.zeros_(self.head.bias)

    def learned(self) -> dict[str, Any]:
        """Every parameter that is trained, by a name that stays the same; tied ones once."""
        modules = {
            "policy": self.policy,
            "head": self.head,
            **({"value": self._body} if self._body is not None else {}),
        }
        return {f"{part}.{name}": one for part, module in modules.items()
                for name, one in module.named_parameters() if one.requires_grad}  # fmt: skip

    def read(self, batch: Batch, temperature: float, entropies: bool = True) -> Reading:
        """Log-probabilities at the temperature of sampling, entropies, and the value before each token.

        Without `entropies` no gradient flows through them, which takes less time and memory.
        """
        import torch

        width = batch.mask.shape[1]
        with self.computing():
            said = self._ask(self.policy, batch, output_hidden_states=self._body is None)
            hidden = said.hidden_states[-1] if self._body is None else self._hidden(batch)
        logps, logs = _logps(said.logits, batch, temperature)
        values = self.head(hidden[:, -width - 1 : -1].float())[..., 0]
        with torch.set_grad_enabled(entropies and torch.is_grad_enabled()):
            spread = entropy(logs)
        return Reading(logps, spread, values)

    def reference_logps(self, batch: Batch, temperature: float) -> Any:
        """Log-probabilities of the same tokens under the reference."""
        if self.reference is None:
            with self.policy.disable_adapter(), self.computing():
                said = self._ask(self.policy, batch)
        else:
            with self.computing():
                said = self._ask(self.reference, batch)
        return _logps(said.logits, batch, temperature)[0]

    def learning(self, checkpointing: bool) -> None:
        """Ready for updates; dropout stays off, since it would make each ratio differ from one."""
        for model in (self.policy, self._body):
            if model is not None:
                model.train(checkpointing)

    def sampling(self) -> None:
        """Ready for rollouts."""
        self.policy.eval()

    @contextlib.contextmanager
    def computing(self) -> Iterator[None]:
        """Mixed precision, where it is asked for."""
        import torch

        if self._precision is None:
            yield
            return
        with torch.autocast(self.policy.device.type, dtype=self._precision):
            yield

    def _ask(self, model: Any, batch: Batch, **more: Any) -> Any:
        return model(input_ids=batch.ids, attention_mask=batch.attention, position_ids=positions(batch.attention),
                     use_cache=False, logits_to_keep=batch.mask.shape[1] + 1, **more)  # fmt: skip

    def _hidden(self, batch: Batch) -> Any:
        assert self._body is not None
        said = self._body(input_ids=batch.ids, attention_mask=batch.attention,
                          position_ids=positions(batch.attention), use_cache=False)  # fmt: skip
        return said.last_hidden_state


def _logps(logits: Any, batch: Batch, temperature: float) -> tuple[Any, Any]:
    import torch

    logs = torch.log_softmax(logits[:, :-1].float() / temperature, dim=-1)
    taken = batch.ids[:, -batch.mask.shape[1] :]
    return logs.gather(-1, taken[..., None])[..., 0], logs
