"""Adapters on adapters in a run whose root is relative, as it is unless somebody says otherwise."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from constitutional.builtin.trainers.adapters import DOWN
from constitutional.embedded import path as embedded
from tests.running import jsonl, ran

SPEC = """\
constitutional: 1
name: adapters
seed: 3
models:
  agent: {backend: transformers, model: builtin:support-agent}
data:
  shown: {source: jsonl, path: shown.jsonl, records: demonstrations}
stages:
  first:  {trainer: sft, model: agent, demonstrations: shown, with: {max_steps: 2, learning_rate: 1e-3, lora: {r: 4}}}
  second: {trainer: sft, model: first, demonstrations: shown, with: {max_steps: 2, learning_rate: 1e-3, lora: {r: 2}}}
"""


@pytest.mark.slow
def test_the_second_adapter_has_what_the_first_one_learned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from safetensors.torch import load_file

    monkeypatch.chdir(tmp_path)
    rows = [{"prompt": f"Where is order {i}?", "completion": "It is on its way."} for i in range(4)]
    Path("shown.jsonl").write_text(jsonl(rows))
    Path("spec.yaml").write_text(SPEC)
    done = ran(Path("spec.yaml"))
    first, second = done.folder("first"), done.folder("second")
    said = json.loads((second / "adapter_config.json").read_text())
    assert (said["r"], said["base_model_name_or_path"]) == (6, str(embedded("support-agent")))
    lower, both = (load_file(folder / "adapter_model.safetensors") for folder in (first, second))
    name = next(name for name in lower if name.endswith(DOWN))
    assert both[name][:4].equal(lower[name])
    assert both[name][4:].abs().sum() > 0
