"""Rows of every kind as plain columns, and as our records."""

from __future__ import annotations

import random
from typing import Any

from benchmarks.sentences import sentence
from benchmarks.trainer_overhead.setting import Rows
from constitutional.api import Demonstration, Preference, Prompt, Score, StepLabels, user


def _asked(index: int, draw: random.Random, words: int) -> dict[str, Any]:
    return {"row_id": f"d{index}", "prompt": [{"role": "user", "content": sentence(draw, words)}]}


def demonstrations(count: int, words: int) -> Rows:
    draw = random.Random(0)
    return [{**_asked(i, draw, words), "completion": sentence(draw, words)} for i in range(count)]


def preferences(count: int, words: int) -> Rows:
    draw = random.Random(0)
    return [
        {**_asked(i, draw, words), "chosen": sentence(draw, words), "rejected": sentence(draw, words)}
        for i in range(count)
    ]


def scores(count: int, words: int) -> Rows:
    """Good and bad answers, as many of each."""
    return [{**row, "label": index % 2 == 0} for index, row in enumerate(demonstrations(count, words))]


def prompts(count: int, words: int) -> Rows:
    draw = random.Random(0)
    return [_asked(i, draw, words) for i in range(count)]


def step_labels(count: int, words: int) -> Rows:
    """Three steps, of which the last may be wrong, so that no step follows a wrong one."""
    draw = random.Random(0)
    return [
        {**_asked(i, draw, words), "completions": [sentence(draw, max(1, words // 3)) for _ in range(3)],
         "labels": [True, True, draw.random() < 0.5]}
        for i in range(count)
    ]  # fmt: skip


RECORDS: dict[str, Any] = {"demonstrations": Demonstration, "preferences": Preference, "scores": Score, "prompts": Prompt,
                           "step_labels": StepLabels}  # fmt: skip


def records(port: str, rows: Rows) -> list[Any]:
    """What a stage reads at a port."""
    found = []
    for row in rows:
        columns = dict(row)
        asked = (user(columns.pop("prompt")[0]["content"]),)
        if port == "scores":
            columns["score"] = float(columns["label"])
        if port == "step_labels":
            columns.update(completions=tuple(columns["completions"]), labels=tuple(columns["labels"]))
        found.append(RECORDS[port](prompt=asked, **columns))
    return found


def answer(text: str) -> list[dict[str, str]]:
    return [{"role": "assistant", "content": text}]


def conversational(rows: Rows, *names: str) -> list[dict[str, Any]]:
    """Rows as TRL reads them: a prompt, the columns of these names, answers among them as one-turn dialogues."""
    return [
        {
            "prompt": row["prompt"],
            **{name: answer(row[name]) if isinstance(row[name], str) else row[name] for name in names},
        }
        for row in rows
    ]


def tokens(rows: Rows, tokenizer: Any) -> int:
    """Tokens of all dialogues, the prompt of a pair counted twice; of prompts alone where there are no answers."""
    count = 0
    for row in rows:
        answers = [row[name] for name in ("completion", "chosen", "rejected") if name in row]
        answers += ["\n".join(row["completions"])] if "completions" in row else []
        for said in [answer(text) for text in answers] or [[]]:
            count += len(tokenizer.apply_chat_template(row["prompt"] + said, return_dict=True)["input_ids"])
    return count
