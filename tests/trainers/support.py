"""In-memory inputs and contexts, and tiny data that a tiny model learns."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from constitutional.api import Artifact, ConstitutionalError, Demonstration, Preference, user
from constitutional.prompts import load

QUESTIONS = ("what is up", "hello there", "who are you", "tell me more", "is it late", "how so", "why not", "go on")


@dataclass
class Inputs:
    """`Inputs` over lists and folders."""

    models: dict[str, Path]
    ports: dict[str, Sequence[Any]]
    folders: dict[str, dict[str, Path]] = field(default_factory=dict)

    def rows(self, port: str) -> Iterator[Any]:
        return iter(self.ports.get(port, ()))

    def count(self, port: str) -> int:
        return len(self.ports.get(port, ()))

    def parts(self, port: str) -> Sequence[int]:
        return [self.count(port)] if port in self.ports else []

    def labels(self, port: str) -> Sequence[str]:
        return tuple(label for label in self.folders.get(port, {}) if label)

    def model(self, port: str = "model") -> str:
        if port not in self.models:
            raise ConstitutionalError(f"nothing at {port}")
        return str(self.models[port])

    def artifact(self, port: str) -> Any:
        (folder,) = self.folders[port].values()
        return Artifact(folder)

    def artifacts(self, port: str) -> Sequence[Any]:
        return [Artifact(folder) for folder in self.folders.get(port, {}).values()]


class Broken(Exception):
    """What a training breaks with."""


@dataclass
class Context:
    """`WholeContext` with a folder."""

    workdir: Path
    seed: int = 7
    constitution: Any = None
    told: list[tuple[int, int, dict[str, Any]]] = field(default_factory=list)
    breaks_at: int | None = None

    def render(self, template: str, **values: object) -> Any:
        return load(template).render(**values)

    def progress(self, done: int, total: int, **metrics: Any) -> None:
        assert 0 <= done <= total
        self.told.append((done, total, metrics))
        if done == self.breaks_at:
            raise Broken


def demonstrations(count: int = 16, answer: str = "yes indeed") -> list[Demonstration]:
    return [Demonstration(row_id=f"d{i}", prompt=(user(QUESTIONS[i % 8]),), completion=answer) for i in range(count)]


def preferences(count: int = 16, p: float = 1.0, chosen: str = "yes indeed", rejected: str = "no") -> list[Preference]:
    return [
        Preference(
            row_id=f"p{i}", prompt=(user(f"{QUESTIONS[i % 8]} {i}"),), chosen=chosen, rejected=rejected, p_chosen=p
        )
        for i in range(count)
    ]


def train(
    stage: Any, folder: Path, model: Path, *, reference: Path | None = None, seed: int = 7,
    rewards: dict[str, Path] | None = None, breaks_at: int | None = None, **ports: Sequence[Any],
) -> Any:  # fmt: skip
    """Run a trainer; `.folder` of what comes back is the model it leaves.  A reward without a label is labelled ''.

    Raises `Broken` where it breaks: when it tells that so much is done.
    """
    folder.mkdir(parents=True, exist_ok=True)
    models = {"model": model} | ({"reference": reference} if reference else {})
    context = Context(folder, seed=seed, breaks_at=breaks_at)
    port = "reward" if rewards is not None and "" in rewards else "rewards"
    outputs = stage.run(Inputs(models, dict(ports), {port: rewards} if rewards else {}), context)
    return Trained(outputs.folders[""], outputs.figures, outputs.fates, context)


@dataclass
class Trained:
    folder: Path
    figures: Any
    fates: Any
    context: Context

    @property
    def log(self) -> list[dict[str, float]]:
        return [json.loads(line) for line in (self.folder / "training_log.jsonl").read_text().splitlines()]

    @property
    def losses(self) -> list[float]:
        return [metrics["loss"] for _, _, metrics in self.context.told if "loss" in metrics]


def without_dropout(model: Path, folder: Path) -> Path:
    """A copy of a model whose token classifier has no dropout: transformers gives it 0.1 where nothing is said, drawn for
    each batch as a whole."""
    shutil.copytree(model, folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"classifier_dropout": 0.0}))
    return folder


def contents(folder: Path) -> dict[str, str]:
    """Every file of a folder with the digest of its bytes."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
