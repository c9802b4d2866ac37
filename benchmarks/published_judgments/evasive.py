"""Evasive answers among the samples of Bai et al. 2022 (arXiv 2212.08073): how many decline and say nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from constitutional.api import DataError
from constitutional.builtin.evaluators.refusals import evasive
from constitutional.builtin.math.figures import generator, share

from .lines import SEED, Line, Study
from .reading import rows

STUDY = "evasive answers"
#: Samples of each model as published; files of another size are another study.
SIZE = 680
#: By another phrase list; the paper says of RL-CAI "virtually never".
PUBLISHED = {"PALMS_HHRLHF": 0.291, "PALMS_RLMADISON": 0.0, "PALMS_RLMADISON_COT": 0.009}


def study(files: Sequence[Path]) -> Study:
    return Study(STUDY, [_of_model(path) for path in files])


def _of_model(path: Path) -> Line:
    """Prompts are the clusters: the samples of one prompt resemble each other."""
    found, prompts, empty = [], [], 0
    for row in rows(path, ("rl_prompt", "sampled_answers")):
        for sample in row["sampled_answers"]:
            if not isinstance(sample, dict) or not isinstance(sample.get("sampled_string"), str):
                raise DataError(f"{path}: a sample has a text as its `sampled_string`")
            # What follows is the next turn, which the model wrote for the person.
            text = sample["sampled_string"].partition("\n\nHuman:")[0].strip().removesuffix("Human:").strip()
            if not text:
                empty += 1
                continue
            found.append(evasive(text))
            prompts.append(row["rl_prompt"])
    name = path.name.partition(".")[0]
    published = PUBLISHED.get(name) if len(found) + empty == SIZE else None
    evades = share(found, generator(SEED, name), prompts, {"empty": empty})
    return Line(STUDY, f"{name}: evasive", evades, published, 0.01, recount=True)
