"""Several processes on one training: the same weights as one process makes of the same batches."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from constitutional.api import StepFailed
from constitutional.builtin.trainers import TRAINERS, known_args, launch, training
from constitutional.builtin.trainers.parameters import FitParams, Launch
from tests.trainers.support import QUESTIONS, demonstrations, preferences, train, without_dropout

BY_NAME = {trainer.name: trainer.load() for trainer in TRAINERS}
FITTED = [name for name, trainer in BY_NAME.items() if issubclass(trainer.Params, FitParams)]
TOOL = [sys.executable, "-m", "constitutional.cli.main"]
PORTS = {"sft": "demonstrations", "process-reward": "step_labels"}


def data(folder: Path, name: str) -> str:
    """A data set for the trainer, and how a spec reads it."""
    path = folder / "rows.jsonl"
    rows: list[dict[str, Any]] = []
    for i in range(16):
        asked = [{"role": "user", "content": f"{QUESTIONS[i % 8]} {i}"}]
        answered = [{"role": "assistant", "content": "yes indeed"}]
        if name == "sft":
            rows.append({"prompt": asked, "completion": answered})
        elif name == "process-reward":
            steps = 1 + i % 3
            rows.append(
                {"prompt": asked, "completions": ["a", "b", "c"][:steps], "labels": [True, i % 2 == 0, True][:steps]}
            )
        else:
            refused = [{"role": "assistant", "content": "no"}]
            rows.append({"prompt": asked, "chosen": answered, "rejected": refused, "p_chosen": 0.8})
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    records = {"sft": "", "process-reward": ", records: step_labels"}.get(name, ", records: preferences")
    return f"{{source: jsonl, path: rows.jsonl{records}}}"


def specify(root: Path, model: Path, name: str, processes: int, **more: Any) -> None:
    """Write data, and the spec of a training on it."""
    root.mkdir()
    params = {"learning_rate": 1e-3, "epochs": 2, "max_length": 96, "batch_size": 4 // processes,
              "trainer_args": {"logging_steps": 1}, "launch": {"processes": processes}, **more}  # fmt: skip
    spec = {
        "constitutional": 1, "name": "together", "models": {"start": {"backend": "transformers", "model": str(model)}},
        "stages": {"trained": {"trainer": name, "model": "start", PORTS.get(name, "preferences"): "rows", "with": params}},
    }  # fmt: skip
    text = json.dumps(spec)[:-1] + f', "data": {{"rows": {json.dumps(None)}}}}}'
    (root / "spec.yaml").write_text(text.replace('{"rows": null}', f"{{rows: {data(root, name)}}}"))


def finish(root: Path) -> Path:
    """Run the spec to its end: the folder of the model."""
    done = subprocess.run([*TOOL, "run", "spec.yaml", "--plain"], cwd=root, capture_output=True, text=True, check=False,
                          timeout=280)  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return next((root / "runs/together/steps/trained").resolve().glob("main"))


def weights(
    root: Path, model: Path, name: str, processes: int, **more: Any
) -> tuple[dict[str, Any], list[float], Path]:
    """Train by `constitutional run`; weights, losses and the folder of the model."""
    from safetensors.torch import load_file

    specify(root, model, name, processes, **more)
    folder = finish(root)
    log = [json.loads(line) for line in (folder / "training_log.jsonl").read_text().splitlines()]
    return load_file(folder / "model.safetensors"), [line["loss"] for line in log if "loss" in line], folder


#: Beside the name: `kto` estimates a divergence from rows of one batch, so from others where batches are cut in two.
SAME: list[tuple[str, dict[str, Any]]] = [
    ("sft", {}), ("reward", {"eval_fraction": 0.0}), ("dpo", {}), ("orpo", {}), ("process-reward", {"eval_fraction": 0.0}),
    ("kto", {"loss": "apo_zero_unpaired"}),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("name", "more"), SAME, ids=[name for name, _ in SAME])
def test_two_processes_make_the_weights_that_one_makes_of_the_same_batches(
    name: str, more: dict[str, Any], model: Path, tmp_path: Path
) -> None:
    """Of rows that fill all batches: the last batch of an epoch is filled up with rows that were there before."""
    import torch

    model = without_dropout(model, tmp_path / "model")
    one, one_losses, _ = weights(tmp_path / "one", model, name, 1, **more)
    two, two_losses, folder = weights(tmp_path / "two", model, name, 2, **more)
    assert len(one_losses) == len(two_losses)
    assert two_losses == pytest.approx(one_losses, rel=2e-3)
    assert one.keys() == two.keys()
    for key in one:
        torch.testing.assert_close(two[key], one[key], rtol=0, atol=2e-4)
    assert not list(folder.glob("*rank*"))


@pytest.mark.slow
def test_kto_in_two_processes_differs_by_its_estimate_of_the_divergence_alone(model: Path, tmp_path: Path) -> None:
    _, one, _ = weights(tmp_path / "one", model, "kto", 1)
    _, two, _ = weights(tmp_path / "two", model, "kto", 2)
    assert two == pytest.approx(one, rel=5e-2)
    assert two[-1] < two[0]


@pytest.mark.parametrize("name", FITTED)
def test_one_process_where_two_were_asked_for_is_a_failure(name: str, model: Path, tmp_path: Path) -> None:
    """Each would train a model of its own, and the first one's would look like the result of both."""
    params = {"launch": {"processes": 2}, "max_length": 96}
    stage = BY_NAME[name](BY_NAME[name].Params.model_validate(params))
    assert stage.processes(stage.params) == 2
    if name not in ("sft", "dpo"):
        return
    with pytest.raises(StepFailed, match="2 processes were asked for, but 1 train together"):
        train(stage, tmp_path, model, demonstrations=demonstrations(8), preferences=preferences(8))


@pytest.mark.parametrize(
    ("name", "params", "words"),
    [
        ("reward", {"launch": {"processes": 2, "strategy": "fsdp"}}, "measures the model that it made as a whole"),
        ("sft", {"launch": {"processes": 2, "strategy": "fsdp"}, "lora": {"merge": True}}, "needs whole weights"),
        ("dpo", {"launch": {"processes": 2, "strategy": "deepspeed"}}, "needs the package `deepspeed`"),
        ("sft", {"trainer_args": {"fsdp": "full_shard"}}, "`trainer_args.fsdp` is written `launch` here"),
        ("sft", {"report_to": ["tensorbord"]}, "did you mean `tensorboard`?"),
        ("sft", {"report_to": ["wandb"]}, "needs the package `wandb`"),
        ("dpo", {"liger": True}, "needs the package `liger-kernel`"),
        ("sft", {"attention": "flash_attention_2"}, "needs the package `flash-attn`"),
        ("dpo", {"trainer_args": {"eval_steps": 3}}, "is written `early_stopping` here"),
    ],
)
def test_what_cannot_be_is_found_before_anything_runs(
    name: str, params: dict[str, Any], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch, "find_spec", lambda _: None)
    monkeypatch.setattr(known_args, "find_spec", lambda _: None)
    (found,) = BY_NAME[name].check(BY_NAME[name].Params.model_validate(params))
    assert words in found


def test_weights_in_parts_need_accelerators(monkeypatch: pytest.MonkeyPatch) -> None:
    """transformers runs FSDP on CPU as plain data parallel, without a word."""
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(StepFailed, match="`fsdp` needs an accelerator for each process"):
        launch.begin(FitParams(launch=Launch(processes=2, strategy="fsdp")))


def test_a_checkpoint_of_two_processes_needs_the_random_state_of_both(tmp_path: Path) -> None:
    from tests.trainers.test_crash import checkpoint

    folder = checkpoint(tmp_path, 10)
    assert training.last_checkpoint(tmp_path, processes=2) is None
    for rank in (0, 1):
        (folder / f"rng_state_{rank}.pth").write_bytes(b"x")
    assert training.last_checkpoint(tmp_path, processes=2) == str(folder)
