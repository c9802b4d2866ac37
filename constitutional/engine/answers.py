"""Questions and answers: under which key an answer is kept, in which form, and how many tokens it took."""

from __future__ import annotations

import json
from typing import Any, TypeAlias

from constitutional.backend import Choice, ChoiceRequest, Completion, Request
from constitutional.ids import digest

Question: TypeAlias = Request | ChoiceRequest
Answer: TypeAlias = Completion | Choice


def call_key(question: Question, model: str) -> str:
    """What decides an answer: the rendered request with its sampling parameters and seed, and the model."""
    return digest([type(question).__name__, model, question.identity()])


def guess(question: Question) -> int:
    """About how many tokens a question will take: four letters of a prompt are one."""
    letters = sum(len(turn.content) for turn in question.messages)
    return letters // 4 + (question.max_new_tokens if isinstance(question, Request) else 1)


def tokens(answer: Answer) -> int:
    return answer.prompt_tokens + (answer.completion_tokens if isinstance(answer, Completion) else 0)


def lacks_form(question: Question, answer: Completion) -> bool:
    """Whether JSON was asked for and something else came, or half of it."""
    if not isinstance(question, Request) or question.json_schema is None:
        return False
    try:
        json.loads(answer.text)
    except ValueError:
        return True
    return False


def encode(answer: Answer) -> dict[str, Any]:
    if isinstance(answer, Choice):
        parsed = {"parsed": True} if answer.parsed else {}
        return {"logprobs": list(answer.logprobs), "prompt_tokens": answer.prompt_tokens, **parsed}
    return {name: getattr(answer, name) for name in Completion.__slots__}


def decode(kept: dict[str, Any]) -> Answer:
    if "logprobs" in kept:
        return Choice(tuple(kept["logprobs"]), kept["prompt_tokens"], kept.get("parsed", False))
    return Completion(**kept)
