"""From records to tokens: encoded as the backend encodes them, so that training and asking agree and no row forges a turn."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from constitutional.api import Messages, assistant
from constitutional.builtin.backends.encoding import DialogueEncoder


@dataclass(frozen=True, slots=True)
class Encoded:
    """Tokens of a prompt, up to where the assistant is to speak, and of its answer with the end of the turn."""

    prompt: list[int]
    completion: list[int]

    def __len__(self) -> int:
        return len(self.prompt) + len(self.completion)


def encode(encoder: DialogueEncoder, prompt: Messages, completion: str) -> Encoded:
    """A dialogue with its answer.

    What follows the answer in the chat template (the end of the turn) is part of it: a policy has to learn to stop.
    """
    before = encoder.encode(prompt)
    whole = encoder.segments((*prompt, assistant(completion)), reply=False)
    flat = [token for tokens, _ in whole for token in tokens]
    if flat[: len(before)] == before:
        return Encoded(before, flat[len(before) :])
    answer = max(index for index, (_, message) in enumerate(whole) if message is not None)
    start = sum(len(tokens) for tokens, _ in whole[:answer])
    return Encoded(flat[:start], flat[start:])


def usable(
    items: Iterable[tuple[Any, list[Encoded]]], max_length: int, dropped: dict[str, int]
) -> Iterator[tuple[Any, list[Encoded]]]:
    """Items whose dialogues all fit and have an answer; the others are counted under their reason."""
    for item, encoded in items:
        if any(not one.completion for one in encoded):
            dropped["empty"] = dropped.get("empty", 0) + 1
        elif any(len(one) > max_length for one in encoded):
            dropped["too-long"] = dropped.get("too-long", 0) + 1
        else:
            yield item, encoded


def fates(kept: int, dropped: dict[str, int]) -> dict[tuple[Any, str], int]:
    """The ledger of a trainer's rows."""
    return {("kept", ""): kept, **{("dropped", reason): count for reason, count in dropped.items()}}
