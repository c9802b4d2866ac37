"""Likelihoods: the log-probability of each token of a given answer, in one forward pass a batch."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from constitutional.api import Likelihood, Unanswered
from constitutional.builtin.backends.sampling import left_padded, positions
from constitutional.builtin.backends.scoring import DIGITS

#: Logits held at once: 1 GiB in float32, whatever the vocabulary.
MOST_LOGITS = 2**28


@dataclass(frozen=True, slots=True)
class Text:
    """Token ids of a prompt, up to where the assistant is to speak, and of an answer; and whether its turn ends there."""

    prompt: Sequence[int]
    answer: Sequence[int]
    ended: bool

    @property
    def width(self) -> int:
        """How many log-probabilities it has."""
        return len(self.answer) + self.ended


def score(model: Any, texts: Sequence[Text], *, pad: int, ends: frozenset[int],
          end: int) -> list[Likelihood | Unanswered]:  # fmt: skip
    """Each token's natural log-probability given all before it, rounded to `DIGITS`.

    A turn may end with any token of `ends`: the probability of its end is the sum of theirs, and stands at the token `end`.
    A text that the model gives no probability at all, or what is not a number, is unanswered.
    """
    return [one for part in _parts(texts, _vocabulary(model)) for one in _scored(model, part, pad, ends, end)]


def _parts(texts: Sequence[Text], vocabulary: int) -> Iterator[Sequence[Text]]:
    longest = max(text.width for text in texts) + 1
    rows = max(1, MOST_LOGITS // (longest * vocabulary))
    return (texts[start : start + rows] for start in range(0, len(texts), rows))


def _vocabulary(model: Any) -> int:
    return int(model.config.get_text_config().vocab_size)


def _scored(model: Any, texts: Sequence[Text], pad: int, ends: frozenset[int],
            end: int) -> list[Likelihood | Unanswered]:  # fmt: skip
    import torch

    wide = max(text.width for text in texts)
    with torch.inference_mode():
        read = [[*text.prompt, *text.answer, *([end] if text.ended else [])] for text in texts]
        ids, mask = left_padded(read, pad, str(model.device))
        said = model(input_ids=ids, attention_mask=mask, position_ids=positions(mask), logits_to_keep=wide + 1)
        return [
            _likelihood(said.logits[row, wide - text.width : wide], text, ends, end) for row, text in enumerate(texts)
        ]


def _likelihood(logits: Any, text: Text, ends: frozenset[int], end: int) -> Likelihood | Unanswered:
    """From logits [width, vocabulary], each row before the token that it is about."""
    import torch

    logs = torch.log_softmax(logits if logits.dtype == torch.float64 else logits.float(), dim=-1)
    tokens = list(text.answer)
    taken = torch.tensor(tokens, device=logs.device, dtype=torch.long)
    values = logs[: len(tokens)].gather(-1, taken[:, None])[:, 0].tolist()
    if text.ended:
        values.append(float(torch.logsumexp(logs[-1, sorted(ends)], dim=-1)))
        tokens.append(end)
    if not all(map(math.isfinite, values)):
        return Unanswered("no-probability", "the model gives a token of this text no probability")
    return Likelihood(tuple(tokens), tuple(round(value, DIGITS) for value in values), len(text.prompt))
