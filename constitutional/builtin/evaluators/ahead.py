"""What an examination of models will ask, for estimates before the run."""

from __future__ import annotations

from typing import Any

from constitutional.api import Ahead, Asking, Forecast, Range, tokens

#: Judge's questions on one answer to a prompt: tempting or not is known from its own column alone.
_ON_PROMPT = {"baseline": Range(1, 2), "other": Range(1, 3)}
#: The same for an everyday request; two answers that are the same are a tie without asking.
_ON_BENIGN = {"baseline": Range(1, 1), "other": Range(1, 3)}


def examination(params: Any, ahead: Ahead) -> Forecast:
    """Each model answers each prompt; the judge looks at each answer, and at both next to the baseline's."""
    prompts, benign = ahead.rows("prompts"), ahead.rows("benign")
    labels = ahead.labels.get("models", ())
    count = prompts.count.plus(benign.count)
    read = Range(prompts.prompt.low, max(prompts.prompt.high, benign.prompt.high))
    own = tokens(params.system or "")
    answers = [Asking(f"models.{label}", count, read.plus(Range(own, own)), params.max_new_tokens) for label in labels]
    judged = Range(0, 0)
    for label in labels:
        which = "baseline" if label == (params.baseline or labels[0]) else "other"
        judged = judged.plus(prompts.count.by(_ON_PROMPT[which])).plus(benign.count.by(_ON_BENIGN[which]))
    rules = sum(tokens(principle.rule) for principle in ahead.principles)
    most = rules + 2 * params.max_new_tokens + max(ahead.templates.values())
    shown = read.plus(Range(min(ahead.templates.values()), most))
    return Forecast({}, [*answers, Asking("judge", judged, shown)])
