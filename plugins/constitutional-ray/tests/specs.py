"""Specs that run on a cluster and at home alike."""

from __future__ import annotations

import json
from pathlib import Path

PLUGIN = '''
import os, signal, time
from pathlib import Path
from constitutional.api import MAIN, Demonstration, Outputs, Port, Response, SpecPath, StageParams, WholeStage, hookimpl

class Alone(WholeStage):
    """Turns answers into demonstrations, slowly, in a process of its own; goes on where it was."""
    kind, name, isolated = "transform", "alone", True
    takes = {"responses": Port(Response, many=True)}

    class Params(StageParams):
        suffix: SpecPath
        seconds: float = 0.0
        die_at: int = -1

    @classmethod
    def gives(cls, params):
        return {MAIN: Demonstration}

    def run(self, inputs, ctx):
        rows = list(inputs.rows("responses"))
        suffix = Path(self.params.suffix).read_text()
        seen = ctx.workdir / "seen"
        for number, row in enumerate(rows):
            done = seen / str(number)
            if done.exists():
                continue
            time.sleep(self.params.seconds)
            seen.mkdir(exist_ok=True)
            done.write_text(row.completion)
            print("did", number, flush=True)
            ctx.progress(number + 1, len(rows))
            if number == self.params.die_at:
                os.kill(os.getpid(), signal.SIGKILL)
        made = [Demonstration(row_id=r.row_id, prompt=r.prompt, completion=(seen / str(n)).read_text() + suffix)
                for n, r in enumerate(rows)]
        return Outputs(rows={MAIN: made}, figures={"made": len(made)})

@hookimpl
def constitutional_stages():
    return [Alone]
'''

ROWS = """
constitutional: 1
name: rows
seed: 5
plugins: [./mine.py]
models:
  m: %s
data:
  prompts: {source: jsonl, path: prompts.jsonl}
stages:
  draft: {generator: sample, model: m, prompts: prompts}
  again: {generator: sample, model: m, prompts: prompts, with: {n: 2}}
  alone: {transform: mine/alone, responses: draft, with: {suffix: ./suffix.txt, seconds: %s, die_at: %s}}
"""
SCRIPTED = "{backend: scripted, model: m, seconds: %s, rules: [{say: ['yes, {last}', 'no, {last}', 'why {last}?']}]}"

TRAIN = """
constitutional: 1
name: train
seed: 5
models:
  agent: %s
data:
  prompts: {source: jsonl, path: prompts.jsonl}
  shown: {source: jsonl, path: shown.jsonl}
stages:
  draft: {generator: sample, model: agent, prompts: prompts, with: {max_new_tokens: 16, temperature: 1.0}}
  sl_cai:
    trainer: sft
    model: agent
    demonstrations: [draft, shown]
    with: {epochs: %s, learning_rate: 3e-4, batch_size: 4, checkpoint_every: 3, trainer_args: {logging_steps: 1}}
  after: {generator: sample, model: sl_cai, prompts: prompts, with: {max_new_tokens: 16}}
"""
AGENT = "{backend: transformers, model: %s, deterministic: true, batch_size: 4}"


def rows(folder: Path, model: str, *, count: int = 40, seconds: float = 0.0, die_at: int = -1) -> Path:
    """A spec whose model is `model`, and a stage in a process of its own that takes so long a row."""
    folder.mkdir(exist_ok=True)
    (folder / "mine.py").write_text(PLUGIN)
    (folder / "suffix.txt").write_text("!")
    return _written(folder, ROWS % (model, seconds, die_at), count)


def train(folder: Path, model: str, *, count: int = 12, epochs: int = 2) -> Path:
    """A spec that asks a model, trains it, and asks what came out."""
    folder.mkdir(exist_ok=True)
    shown = [
        {"prompt": f"May I return order {n}?", "completion": f"Yes, order {n} may be returned."} for n in range(12)
    ]
    (folder / "shown.jsonl").write_text("".join(json.dumps(row) + "\n" for row in shown))
    return _written(folder, TRAIN % (model, epochs), count)


def _written(folder: Path, text: str, count: int) -> Path:
    (folder / "prompts.jsonl").write_text("".join(json.dumps({"prompt": f"question {n}"}) + "\n" for n in range(count)))
    (folder / "spec.yaml").write_text(text)
    return folder / "spec.yaml"


def placed(model: str, **more: object) -> str:
    """The model, in replicas on the cluster."""
    said = "".join(f"{name}: {value}, " for name, value in more.items())
    return f"{{backend: ray/replicas, {said}of: {model}}}"


ON_RAY = ("--set", "executor.use=ray/jobs", "--set", "executor.mirror_seconds=1")
