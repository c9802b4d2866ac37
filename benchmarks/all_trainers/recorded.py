"""A model whose answers are there already: what best-of-n kept, for an evaluator that asks models."""

from __future__ import annotations

import json
from collections.abc import Sequence

from constitutional.api import (
    Backend,
    BackendParams,
    Capability,
    Completion,
    JsonObject,
    Request,
    SpecPath,
    Unanswered,
    canonical,
    digest,
    hookimpl,
    to_json,
)


class RecordedParams(BackendParams):
    """Parameters of `answers`."""

    answers: SpecPath
    """A file of JSON lines, each with a `prompt` (messages) and its `completion`."""

    model: str = "recorded"
    """A name for people."""


class Recorded(Backend):
    """Says what was recorded for a dialogue; `Unanswered` where nothing was."""

    name, version, Params = "answers", 1, RecordedParams
    gives = Capability.TEXT
    params: RecordedParams

    def __init__(self, params: BackendParams) -> None:
        super().__init__(params)
        self._known: dict[bytes, str] = {}

    async def open(self) -> None:
        lines = map(json.loads, self.params.answers.read_text(encoding="utf-8").splitlines())
        self._known = {canonical(line["prompt"]): line["completion"] for line in lines}

    async def generate(self, batch: Sequence[Request]) -> Sequence[Completion | Unanswered]:
        found = [self._known.get(canonical(to_json(request.messages))) for request in batch]
        return [Unanswered("not-recorded") if text is None else Completion(text) for text in found]

    def identity(self) -> JsonObject:
        return {"answers": digest(self.params.answers.read_text(encoding="utf-8"))}


@hookimpl
def constitutional_backends() -> list[type[Backend]]:
    return [Recorded]
