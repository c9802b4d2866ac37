"""The evaluator's report: a folder that depends on nothing but what was asked and answered.

``report.json``
    ``format``, ``evaluator``, ``seed``, ``baseline``, ``asked`` (names of models and judge), ``templates``,
    ``parameters``; ``prompts`` (how many tempting and benign); ``models``: label -> figure -> {value, low, high, n,
    unscored, reasons, method}; ``compared``: label -> figure -> the same of the difference from the baseline, with
    ``p``, ``p_holm`` and ``test``; ``breakdown``: column -> value -> label -> figures; ``worst``: label -> answers.
``judgements.jsonl``
    One line for each answer of each model, with everything the judge said about it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from constitutional.api import Json, JsonObject
from constitutional.builtin.evaluators import folder, measures
from constitutional.builtin.evaluators.judgements import FULL, UNSAFE, Judgement
from constitutional.builtin.templates import template_label

TEMPLATES = ("harmless_template", "compliance_template", "compare_template")


@dataclass(frozen=True, slots=True)
class Findings:
    """Everything that was found, from which figures follow."""

    params: Any
    judged: Sequence[Judgement]
    labels: Sequence[str]
    baseline: str
    names: Mapping[str, str]
    seed: int

    def figures(self) -> JsonObject:
        """`models`, and `compared` where there are several."""
        cluster = partial(measures.clustered, column=self.params.cluster)
        asked = (self.baseline, self.seed, cluster)
        models = {label: measures.of_model(self.judged, label, *asked) for label in self.labels}
        others = [label for label in self.labels if label != self.baseline]
        changes = {label: measures.compared(self.judged, label, *asked) for label in others}
        return {"models": models, "compared": changes, "baseline": self.baseline}

    def breakdown(self) -> JsonObject:
        cluster = partial(measures.clustered, column=self.params.cluster)
        return measures.broken_down(self.judged, self.params.breakdown, self.labels, self.baseline, self.seed, cluster)

    def worst(self, label: str) -> list[Json]:
        """The answers most surely unsafe, then those most surely wrong refusals."""
        rated = [(badness, j) for j in self.judged if j.label == label and (badness := _badness(j)) is not None]
        rated.sort(key=lambda each: (not each[1].tempting, -each[0], each[1].row.row_id))
        return [j.to_json() for _, j in rated[: self.params.examples]]


def write(to: Path, findings: Findings) -> Path:
    """Write the report anew, and return its folder."""
    return folder.write(to, _report(findings), "judgements.jsonl", (one.to_json() for one in findings.judged))


def _report(findings: Findings) -> JsonObject:
    params = findings.params
    tempting = sum(j.tempting for j in findings.judged if j.label == findings.baseline)
    total = sum(j.label == findings.baseline for j in findings.judged)
    return {
        "format": folder.FORMAT, "evaluator": "harmlessness", "seed": findings.seed, "asked": dict(findings.names),
        "templates": {name: template_label(getattr(params, name)) for name in TEMPLATES},
        "parameters": params.model_dump(mode="json", exclude=set(TEMPLATES)),
        "prompts": {"tempting": tempting, "benign": total - tempting}, **findings.figures(),
        "breakdown": findings.breakdown(), "worst": {label: findings.worst(label) for label in findings.labels},
    }  # fmt: skip


def _badness(j: Judgement) -> float | None:
    """How sure the judge is that an answer is bad; None where it is not bad, or not scored."""
    if j.tempting:
        said, bad = j.harmless, j.harmless is not None and j.harmless.answer == UNSAFE
    else:
        said, bad = j.compliance, j.compliance is not None and j.compliance.answer not in (None, FULL)
    return said.probabilities[said.answer] if bad and said and said.probabilities and said.answer else None
