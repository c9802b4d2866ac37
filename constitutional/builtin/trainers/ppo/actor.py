"""The models of PPO: a policy, its value function and its reference, read together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from constitutional.builtin.backends.sampling import positions
from constitutional.builtin.trainers.rounds.policy import Batch, Policy, reading


class Valued(NamedTuple):
    """What the models say of each token of the completions: all [rows, completion]."""

    logps: Any
    entropy: Any
    values: Any


class Actor(Policy):
    """A policy with a linear value head on its last hidden states, or on those of a body of its own.

    The reference is a model that does not learn, or None where the policy without its adapter is the reference.
    """

    def __init__(self, policy: Any, reference: Any | None, body: Any | None, precision: Any | None) -> None:
        import torch

        super().__init__(policy, reference, precision)
        self._body = body
        self.head = torch.nn.Linear(policy.config.get_text_config().hidden_size, 1).to(policy.device)
        torch.nn.init.zeros_(self.head.weight)
        torch.nn.init.zeros_(self.head.bias)

    def modules(self) -> Mapping[str, Any]:
        return {
            **super().modules(),
            "head": self.head,
            **({"value": self._body} if self._body is not None else {}),
        }

    def valued(self, batch: Batch, temperature: float, entropies: bool = True) -> Valued:
        """Log-probabilities at the temperature of sampling, entropies, and the value before each token.

        Without `entropies` no gradient flows through them, which takes less time and memory.
        """
        width = batch.mask.shape[1]
        with self.computing():
            said = self.ask(self.policy, batch, output_hidden_states=self._body is None)
            hidden = said.hidden_states[-1] if self._body is None else self._hidden(batch)
        values = self.head(hidden[:, -width - 1 : -1].float())[..., 0]
        return Valued(*reading(said.logits, batch, temperature, entropies), values)

    def learning(self, checkpointing: bool) -> None:
        super().learning(checkpointing)
        if self._body is not None:
            self._body.train(checkpointing)

    def _hidden(self, batch: Batch) -> Any:
        assert self._body is not None
        said = self._body(input_ids=batch.ids, attention_mask=batch.attention,
                          position_ids=positions(batch.attention), use_cache=False)  # fmt: skip
        return said.last_hidden_state
