"""Encoding: a dialogue becomes tokens, and no content can forge a turn.

The tokenizer's chat template is rendered once for each sequence of roles, with an unguessable mark in the place of each
content; between the marks is control text, which is encoded with special tokens recognised.  Contents are encoded
on their own with special tokens split, so that `<|im_end|>` in a row is eight characters and not the end of a turn.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from typing import Any

from constitutional.api import Messages, UserError


class DialogueEncoder:
    """Encodes dialogues for one tokenizer."""

    def __init__(self, tokenizer: Any) -> None:
        if not tokenizer.chat_template:
            raise UserError("the model's tokenizer has no chat template", help="use an instruction-tuned model, or add a template")
        self.tokenizer = tokenizer
        self._skeletons: dict[tuple[tuple[str, ...], bool], list[list[int] | int]] = {}
        self._control = _control_ids(tokenizer)

    def encode(self, dialogue: Messages, *, reply: bool = True) -> list[int]:
        """Token ids of a dialogue; with `reply`, up to where the assistant is to speak."""
        return [token for tokens, _ in self.segments(dialogue, reply=reply) for token in tokens]

    def segments(self, dialogue: Messages, *, reply: bool) -> list[tuple[list[int], int | None]]:
        """Token ids in order, each run with the index of the message it is the content of; None for control text."""
        roles = tuple(turn.role for turn in dialogue)
        found: list[tuple[list[int], int | None]] = []
        for part in self._skeleton(roles, reply):
            found.append((self.text(dialogue[part].content), part) if isinstance(part, int) else (part, None))
        return found

    def text(self, text: str) -> list[int]:
        """Token ids of plain text: never a control token."""
        ids: list[int] = self.tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]
        if self._control.isdisjoint(ids):
            return ids
        return [token for piece in _apart(self.tokenizer, text, self._control) for token in piece]

    def decode(self, ids: Sequence[int]) -> str:
        text: str = self.tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return text.strip()

    def _skeleton(self, roles: tuple[str, ...], reply: bool) -> list[list[int] | int]:
        if (roles, reply) not in self._skeletons:
            self._skeletons[roles, reply] = self._render(roles, reply)
        return self._skeletons[roles, reply]

    def _render(self, roles: tuple[str, ...], reply: bool) -> list[list[int] | int]:
        nonce = secrets.token_hex(8)
        marked = [{"role": role, "content": f"{nonce}x{index}x"} for index, role in enumerate(roles)]
        try:
            text = self.tokenizer.apply_chat_template(marked, tokenize=False, add_generation_prompt=reply)
        except Exception as error:  # a template may raise anything: it is the model's own code
            raise UserError(f"the model's chat template refuses a dialogue of {', '.join(roles)}: {error}") from error
        pieces = re.split(f"{nonce}x([0-9]+)x", text)
        if len(pieces) != 2 * len(roles) + 1:
            raise UserError(f"the model's chat template leaves out turns of a dialogue of {', '.join(roles)}")
        skeleton: list[list[int] | int] = []
        for index, piece in enumerate(pieces):
            if index % 2:
                skeleton.append(int(piece))
            elif piece:
                skeleton.append(self.tokenizer(piece, add_special_tokens=False)["input_ids"])
        return skeleton


def _control_ids(tokenizer: Any) -> frozenset[int]:
    added = {index for index, token in tokenizer.added_tokens_decoder.items() if token.special}
    return frozenset(added | set(tokenizer.all_special_ids))


def _apart(tokenizer: Any, text: str, control: frozenset[int]) -> list[list[int]]:
    """A text that still gives control tokens, a character at a time; characters that are control tokens are left out."""
    pieces = (tokenizer(char, add_special_tokens=False, split_special_tokens=True)["input_ids"] for char in text)
    return [[token for token in piece if token not in control] for piece in pieces]
