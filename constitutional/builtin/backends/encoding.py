"""Encoding: a dialogue becomes tokens, and no content can forge a turn.

The tokenizer's chat template is rendered once for each sequence of roles, with an unguessable mark in the place of each
content; between the marks is control text, which is encoded with special tokens recognised.  Contents are encoded
on their own with control tokens split, so that `<|im_end|>` in a row is ten characters and not the end of a turn.
A control token is one that the tokenizer calls special, or one that the template writes: some tokenizers add
`<|user|>` without calling it special.  A template whose marks are plain text has no control tokens to forge or to guard.
"""

from __future__ import annotations

import copy
import re
import secrets
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from constitutional.api import Messages, UserError
from constitutional.builtin.backends.limits import limited


class DialogueEncoder:
    """Encodes dialogues for one tokenizer."""

    def __init__(self, tokenizer: Any) -> None:
        if not tokenizer.chat_template:
            raise UserError(
                "the model's tokenizer has no chat template", help="use an instruction-tuned model, or add a template"
            )
        self.tokenizer = tokenizer
        self._skeletons: dict[tuple[tuple[str, ...], bool], list[list[int] | int]] = {}
        self._plain, self._control = _without_control(tokenizer, _written(tokenizer))

    def encode(self, dialogue: Messages, *, reply: bool = True) -> list[int]:
        """Token ids of a dialogue; with `reply`, up to where the assistant is to speak."""
        return [token for tokens, _ in self.segments(dialogue, reply=reply) for token in tokens]

    def segments(
        self, dialogue: Messages, *, reply: bool, known: Mapping[int, list[int]] = MappingProxyType({})
    ) -> list[tuple[list[int], int | None]]:
        """Token ids in order, each run with the index of the message it is the content of; None for control text.

        `known` are token ids of contents by the index of their message, where a caller has them.
        """
        roles = tuple(turn.role for turn in dialogue)
        return [
            (known[part] if part in known else self.text(dialogue[part].content), part)
            if isinstance(part, int)
            else (part, None)
            for part in self._skeleton(roles, reply)
        ]

    def text(self, text: str) -> list[int]:
        """Token ids of plain text: never a control token."""
        ids: list[int] = self._plain(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]
        if self._control.isdisjoint(ids):
            return ids
        return [token for piece in _apart(self._plain, text, self._control) for token in piece]

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
            with limited():
                text = self.tokenizer.apply_chat_template(marked, tokenize=False, add_generation_prompt=reply)
        except Exception as error:  # a template may raise anything: it is the model's own code
            raise UserError(f"the model's chat template refuses a dialogue of {', '.join(roles)}: {error}") from error
        pieces = re.split(f"{nonce}x([0-9]+)x", text)
        if sorted(map(int, pieces[1::2])) != list(range(len(roles))):
            raise UserError(
                f"the model's chat template does not show every turn of a dialogue of {', '.join(roles)} once"
            )
        skeleton: list[list[int] | int] = []
        for index, piece in enumerate(pieces):
            if index % 2:
                skeleton.append(int(piece))
            elif piece:
                skeleton.append(self.tokenizer(piece, add_special_tokens=False)["input_ids"])
        return skeleton


def _written(tokenizer: Any) -> set[int]:
    """Added tokens that the template writes, whether the tokenizer calls them special or not; spaces are text to all."""
    added = {index: token for index, token in tokenizer.added_tokens_decoder.items() if token.content.strip()}
    seen = {index for index, token in added.items() if token.content in str(tokenizer.chat_template)}
    for roles in (("user",), ("user", "assistant"), ("system", "user"), ("user", "assistant", "user", "assistant")):
        for reply in (True, False):
            try:
                with limited():
                    text = tokenizer.apply_chat_template(
                        [{"role": role, "content": ""} for role in roles], tokenize=False, add_generation_prompt=reply
                    )
            except (TimeoutError, MemoryError) as error:
                raise UserError(f"the model's chat template cannot be used: {error}") from error
            except Exception:  # noqa: BLE001, S112 - a template may refuse some dialogues; those that are asked for are tried again
                continue
            seen |= added.keys() & set(tokenizer(text, add_special_tokens=False)["input_ids"])
    return seen


def _without_control(tokenizer: Any, written: set[int]) -> tuple[Any, frozenset[int]]:
    """A tokenizer that takes every control token for special, and so can be told to split it; and the control tokens."""
    from tokenizers import AddedToken

    special = {index for index, token in tokenizer.added_tokens_decoder.items() if token.special} | set(
        tokenizer.all_special_ids
    )
    loose = [tokenizer.added_tokens_decoder[index].content for index in sorted(written - special)]
    if loose:
        tokenizer = copy.deepcopy(tokenizer)
        tokenizer.add_tokens([AddedToken(text, special=True, normalized=False) for text in loose], special_tokens=True)
    return tokenizer, frozenset(special | written)


def _apart(tokenizer: Any, text: str, control: frozenset[int]) -> list[list[int]]:
    """A text that still gives control tokens, a character at a time; characters that are control tokens are left out."""
    pieces = (tokenizer(char, add_special_tokens=False, split_special_tokens=True)["input_ids"] for char in text)
    return [[token for token in piece if token not in control] for piece in pieces]
