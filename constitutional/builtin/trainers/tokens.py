"""From records to tokens: encoded as the backend encodes them, so that training and asking agree and no row forges a turn."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from constitutional.api import (
    Demonstration,
    Messages,
    Preference,
    Prompt,
    Score,
    UserError,
    assistant,
    digest,
    messages,
)
from constitutional.builtin.backends.encoding import DialogueEncoder

Row = TypeVar("Row", Demonstration, Preference, Score)
#: A prompt, and its tokens up to where the assistant is to speak.
Asked: TypeAlias = tuple[Prompt, list[int]]
#: Tokens in order, with the index of the message that they are the content of, None for control text.
Segments: TypeAlias = list[tuple[list[int], int | None]]


@dataclass(frozen=True, slots=True)
class Encoded:
    """Tokens of a prompt, up to where the assistant is to speak, and of its answer with the end of the turn."""

    prompt: list[int]
    completion: list[int]

    def __len__(self) -> int:
        return len(self.prompt) + len(self.completion)


def encode(encoder: DialogueEncoder, prompt: Messages, completion: str, asked: Segments | None = None) -> Encoded:
    """A dialogue with its answer; `asked` are the segments of its prompt, up to where the assistant is to speak, where
    they are known: answers to one prompt need not encode it again.

    What follows the answer in the chat template (the end of the turn) is part of it: a policy has to learn to stop.
    """
    asked = encoder.segments(prompt, reply=True) if asked is None else asked
    before = [token for tokens, _ in asked for token in tokens]
    known = {message: tokens for tokens, message in asked if message is not None}
    whole = encoder.segments((*prompt, assistant(completion)), reply=False, known=known)
    flat = [token for tokens, _ in whole for token in tokens]
    if flat[: len(before)] == before:
        return Encoded(before, flat[len(before) :])
    answer = max(index for index, (_, message) in enumerate(whole) if message is not None)
    start = sum(len(tokens) for tokens, _ in whole[:answer])
    return Encoded(flat[:start], flat[start:])


def askable(encoder: DialogueEncoder, rows: Iterable[Prompt], room: int, dropped: Counter[str]) -> Iterator[Asked]:
    """Prompts of at most `room` tokens, with those; the others are counted under their reason."""
    for row in rows:
        try:
            ids = encoder.encode(row.prompt)
        except UserError:
            dropped["template"] += 1
            continue
        if len(ids) > room:
            dropped["too-long"] += 1
        else:
            yield row, ids


def usable(
    encoder: DialogueEncoder, rows: Iterable[Row], answers: Callable[[Row], Sequence[str]], max_length: int,
    dropped: Counter[str],
) -> Iterator[tuple[Row, list[Encoded]]]:  # fmt: skip
    """Rows whose answers all say something and fit, with their tokens; the others are counted under their reason."""
    for row in rows:
        said = answers(row)
        if not all(answer.strip() for answer in said):
            dropped["empty"] += 1
            continue
        try:
            asked = encoder.segments(row.prompt, reply=True)
            encoded = [encode(encoder, row.prompt, answer, asked) for answer in said]
        except UserError:
            dropped["template"] += 1
            continue
        if any(len(one) > max_length for one in encoded):
            dropped["too-long"] += 1
        else:
            yield row, encoded


def guarded(encoder: DialogueEncoder) -> Any:
    """A tokenizer whose chat template is applied as ours is, for trainers of TRL that encode dialogues themselves.

    TRL renders a dialogue to text and reads the text back, so that `<|im_end|>` in a row would end a turn.
    """
    tokenizer = copy.deepcopy(encoder.tokenizer)

    def apply_chat_template(conversation: Any, *, add_generation_prompt: bool = False, **_: Any) -> dict[str, Any]:
        if conversation and not isinstance(conversation[0], Mapping):
            rows = [encoder.encode(messages(one), reply=add_generation_prompt) for one in conversation]
            return {"input_ids": rows, "attention_mask": [[1] * len(row) for row in rows]}
        ids = encoder.encode(messages(conversation), reply=add_generation_prompt)
        return {"input_ids": ids, "attention_mask": [1] * len(ids)}

    tokenizer.apply_chat_template = apply_chat_template
    return tokenizer


def split(rows: list[dict[str, Any]], fraction: float) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Rows to learn from and rows held out, by the hash of the row: more data moves none from one side to the other."""
    held = [int(digest(["held-out", row["row_id"]])[:8], 16) / 2**32 < fraction for row in rows]
    taught = [row for row, out in zip(rows, held, strict=True) if not out]
    return (taught, [row for row, out in zip(rows, held, strict=True) if out]) if taught else (rows, [])


def fates(kept: int, dropped: Mapping[str, int]) -> dict[tuple[Any, str], int]:
    """The ledger of a trainer's rows."""
    return {("kept", ""): kept, **{("dropped", reason): count for reason, count in dropped.items()}}
