"""Checkpoints: all that a round needs of those before it, in safetensors and JSON, never in a pickle.

Random numbers are functions of the seed and the round, so that no generator's state is kept.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from constitutional.builtin.math.ppo import Moments

KEPT = 2


@dataclass
class State:
    """Where a training is: rounds done, the coefficient of the divergence, the scores' moments, and the log."""

    done: int = 0
    beta: float = 0.0
    moments: Moments = field(default_factory=Moments)
    log: list[dict[str, float]] = field(default_factory=list)
    scored: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    last_scores: list[float] = field(default_factory=list)


def write(workdir: Path, state: State, learned: dict[str, Any], adam: Any) -> None:
    """Write a checkpoint beside its place and move it there: one that has its name is whole."""
    from safetensors.torch import save_file

    folder = workdir / "checkpoints"
    aside = folder / "unfinished"
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    save_file({name: one.detach().contiguous().cpu() for name, one in learned.items()}, aside / "weights.safetensors")
    moved = {f"{name}/{key}": value.detach().contiguous().cpu() for name, one in learned.items()
             for key, value in adam.state.get(one, {}).items()}  # fmt: skip
    save_file(moved, aside / "optimizer.safetensors")
    (aside / "state.json").write_text(json.dumps(asdict(state)), encoding="utf-8")
    place = folder / f"round-{state.done:08}"
    shutil.rmtree(place, ignore_errors=True)
    aside.rename(place)
    for old in sorted(folder.glob("round-*"))[:-KEPT]:
        shutil.rmtree(old)


def restore(workdir: Path, learned: dict[str, Any], adam: Any) -> State | None:
    """Put the newest checkpoint back into weights and optimiser; None where there is none."""
    import torch
    from safetensors.torch import load_file

    found = sorted((workdir / "checkpoints").glob("round-*"))
    if not found:
        return None
    weights, moved = (load_file(found[-1] / f"{name}.safetensors") for name in ("weights", "optimizer"))
    with torch.no_grad():
        for name, one in learned.items():
            one.copy_(weights[name])
    for key, value in moved.items():
        name, _, kind = key.rpartition("/")
        one = learned[name]
        adam.state[one][kind] = value if kind == "step" else value.to(one.device)
    said = json.loads((found[-1] / "state.json").read_text(encoding="utf-8"))
    return State(**{**said, "moments": Moments(**said["moments"])})
