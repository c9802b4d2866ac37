"""Questions and answers: under which key an answer is kept, in which form, and how many tokens it took."""

from __future__ import annotations

import json
from typing import Any, TypeAlias

from constitutional.backend import Choice, ChoiceRequest, Completion, Likelihood, LikelihoodRequest, Request
from constitutional.errors import NotNow, Unanswered
from constitutional.ids import digest

Question: TypeAlias = Request | ChoiceRequest | LikelihoodRequest
Answer: TypeAlias = Completion | Choice | Likelihood

#: Letters to a token, where nobody counts them.
LETTERS = 4


def call_key(question: Question, model: str) -> str:
    """What decides an answer: the rendered request with its sampling parameters and seed, and the model."""
    return digest([type(question).__name__, model, question.identity()])


def guess(question: Question) -> int:
    """About how many tokens a question will take: four letters of a prompt are one."""
    return sum(expected(question))


def expected(question: Question) -> tuple[int, int]:
    """About how many tokens a question has, at four letters each, and how many an answer may have."""
    letters = sum([len(turn.content) for turn in question.messages])
    if isinstance(question, LikelihoodRequest):
        return (letters + len(question.completion)) // LETTERS, 0
    return letters // LETTERS, question.max_new_tokens if isinstance(question, Request) else 1


def used(question: Question, answer: Answer | Unanswered | NotNow) -> tuple[int, int]:
    """Tokens that an answer is paid for: of the prompt and of what was written, by letters where nobody counted."""
    if isinstance(answer, (Unanswered, NotNow)):
        return answer.usage
    if isinstance(answer, Likelihood):
        return tokens(answer), 0
    if answer.prompt_tokens or answer.completion_tokens:
        return answer.prompt_tokens, answer.completion_tokens
    return expected(question)[0], len(answer.text) // LETTERS if isinstance(answer, Completion) else 0


def tokens(answer: Answer) -> int:
    if isinstance(answer, Likelihood):
        return answer.prompt_tokens + len(answer.tokens)
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
    if isinstance(answer, Likelihood):
        return {"tokens": list(answer.tokens), "token_logprobs": list(answer.logprobs),
                "prompt_tokens": answer.prompt_tokens}  # fmt: skip
    if isinstance(answer, Choice):
        parsed = {"parsed": True} if answer.parsed else {}
        return {"logprobs": list(answer.logprobs), "prompt_tokens": answer.prompt_tokens, **parsed}
    return {"text": answer.text, "finish_reason": answer.finish_reason, "prompt_tokens": answer.prompt_tokens,
            "completion_tokens": answer.completion_tokens}  # fmt: skip


def decode(kept: dict[str, Any]) -> Answer:
    if "token_logprobs" in kept:
        return Likelihood(tuple(kept["tokens"]), tuple(kept["token_logprobs"]), kept["prompt_tokens"])
    if "logprobs" in kept:
        return Choice(tuple(kept["logprobs"]), kept["prompt_tokens"], kept.get("parsed", False))
    return Completion(**kept)
