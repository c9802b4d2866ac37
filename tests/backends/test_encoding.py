"""Encoding: a row's content is never a control token, whatever is written in it."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from constitutional.api import Message, Preference, UserError, assistant, user
from constitutional.builtin.backends.encoding import DialogueEncoder
from constitutional.builtin.trainers import tokens
from constitutional.builtin.trainers.preferences import answers
from tests.backends.families import FAMILIES, Family, hostile, tokenizer

ROWS = 1000
BENIGN = ("hello", "What is 2 + 2?", "naïve café, 日本語 🙂", "a < b | c > d", "one\ntwo\n\nthree", "tabs\tand  spaces")

by_family = pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)


def controls(tok: Any, family: Family, ids: list[int]) -> list[int]:
    marks = set(tok.convert_tokens_to_ids(list(family.all)))
    return [token for token in ids if token in marks]


def plainly(tok: Any, text: str) -> list[int]:
    """What the usual path gives: the template rendered with the content in it, then encoded as one text."""
    shown = tok.apply_chat_template([{"role": "user", "content": text}], tokenize=False, add_generation_prompt=True)
    return list(tok(shown, add_special_tokens=False)["input_ids"])


@by_family
def test_a_thousand_hostile_rows_forge_no_control_token(family: Family) -> None:
    tok = tokenizer(family)
    encoder = DialogueEncoder(tok)
    honest = controls(tok, family, encoder.encode((user("hello"),)))
    naive = 0
    for text in hostile(family, ROWS):
        assert controls(tok, family, encoder.encode((user(text),))) == honest, text
        naive += controls(tok, family, plainly(tok, text)) != honest
    assert naive > 900


@by_family
def test_a_hostile_text_comes_back_as_it_was(family: Family) -> None:
    tok = tokenizer(family)
    encoder = DialogueEncoder(tok)
    for text in hostile(family, ROWS, seed=1):
        assert tok.decode(encoder.text(text), clean_up_tokenization_spaces=False) == text


@by_family
def test_an_honest_dialogue_is_encoded_as_the_template_has_it(family: Family) -> None:
    tok = tokenizer(family)
    encoder = DialogueEncoder(tok)
    for text in BENIGN:
        assert encoder.encode((user(text),)) == plainly(tok, text)


@by_family
def test_hostile_answers_in_a_longer_dialogue_forge_nothing(family: Family) -> None:
    tok = tokenizer(family)
    encoder = DialogueEncoder(tok)
    honest = controls(tok, family, encoder.encode((user("a"), assistant("b"), user("c"))))
    for one, two in zip(hostile(family, 100, seed=2), hostile(family, 100, seed=3), strict=True):
        assert controls(tok, family, encoder.encode((user(one), assistant(two), user(one)))) == honest


def test_segments_say_which_message_each_run_of_tokens_is_from() -> None:
    tok = tokenizer(FAMILIES[0])
    found = DialogueEncoder(tok).segments((user("hi"), assistant("yo")), reply=False)
    assert [(tok.decode(ids), message) for ids, message in found] == [
        ("<|im_start|>user\n", None), ("hi", 0), ("<|im_end|>\n<|im_start|>assistant\n", None), ("yo", 1), ("<|im_end|>\n", None),
    ]  # fmt: skip


@by_family
def test_answers_to_one_prompt_are_encoded_as_each_on_its_own(family: Family) -> None:
    encoder = DialogueEncoder(tokenizer(family))
    for one, two in zip(hostile(family, 50, seed=4), hostile(family, 50, seed=5), strict=True):
        row = Preference(
            row_id="p", prompt=(user(one), assistant(two), user(one)), chosen=two, rejected=f"no {one}", p_chosen=1.0
        )
        ((_, found),) = tokens.usable(encoder, [row], answers, 10**6, Counter())
        assert found == [
            tokens.encode(encoder, row.prompt, row.chosen),
            tokens.encode(encoder, row.prompt, row.rejected),
        ]
        for said, encoded in zip(answers(row), found, strict=True):
            assert encoded.prompt + encoded.completion == encoder.encode((*row.prompt, assistant(said)), reply=False)


def test_ordinary_added_tokens_stay_tokens() -> None:
    tok = tokenizer(FAMILIES[0], words=("    ", "hello"))
    assert len(DialogueEncoder(tok).text("hello    hello")) == 3


def test_a_text_that_looks_like_a_mark_of_ours_is_content() -> None:
    tok = tokenizer(FAMILIES[0])
    text = "0123456789abcdefx0x and deadbeefdeadbeefx1x"
    assert text in tok.decode(DialogueEncoder(tok).encode((user(text),)))


def test_empty_content_is_nothing_between_the_marks() -> None:
    tok = tokenizer(FAMILIES[0])
    assert (
        tok.decode(DialogueEncoder(tok).encode((user(""),))) == "<|im_start|>user\n<|im_end|>\n<|im_start|>assistant\n"
    )


def test_a_tokenizer_without_template_is_refused() -> None:
    tok = tokenizer(FAMILIES[0])
    tok.chat_template = None
    with pytest.raises(UserError, match="no chat template"):
        DialogueEncoder(tok)


def test_a_dialogue_that_the_template_refuses_is_named_by_its_roles() -> None:
    gemma = next(family for family in FAMILIES if family.name == "gemma")
    with pytest.raises(UserError, match=r"system, user.*System role not supported"):
        DialogueEncoder(tokenizer(gemma)).encode((Message("system", "be kind"), user("hi")))


@pytest.mark.parametrize("template", [
    "{% for m in messages[1:] %}{{ m['content'] }}{% endfor %}",
    "{% for m in messages %}{{ m['content'] + m['content'] }}{% endfor %}",
    "{{ messages[0]['content'] }}{{ messages[0]['content'] }}",
], ids=["leaves-out", "doubles", "doubles-one-for-another"])  # fmt: skip
def test_a_template_that_does_not_show_every_turn_once_is_refused(template: str) -> None:
    tok = tokenizer(FAMILIES[0])
    tok.chat_template = template
    with pytest.raises(UserError, match="every turn"):
        DialogueEncoder(tok).encode((user("a"), assistant("b")))


@pytest.mark.parametrize("template", [
    "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
    "{% macro m() %}{{ m() }}{{ m() }}{% endmacro %}{{ m() }}",
    "{{ messages[0].__class__.__mro__ }}{{ ''.__class__ }}",
    "{% set ns = namespace(x='a') %}{% for i in range(60) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}{{ ns.x }}",
], ids=["loops", "recursion", "attributes", "doubling"])  # fmt: skip
def test_a_template_that_never_ends_is_stopped(template: str) -> None:
    tok = tokenizer(FAMILIES[0])
    tok.chat_template = template
    with pytest.raises(UserError, match="chat template"):
        DialogueEncoder(tok).encode((user("a"),))
