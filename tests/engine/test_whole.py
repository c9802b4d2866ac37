"""Whole stages in a process of their own: what they leave, and what is said when they fail or die."""

import json
import os
import subprocess
import sys

import pytest

TOOL = [sys.executable, "-m", "constitutional.cli.main"]
PLUGIN = """
import os, signal
from constitutional.api import MAIN, Demonstration, Outputs, Port, Prompt, StageParams, WholeStage, hookimpl

class Alone(WholeStage):
    '''Turns prompts into demonstrations in a process of its own, or fails as it is told to.'''
    kind, name, isolated = "transform", "alone", True
    takes = {"prompts": Port(Prompt, many=True)}

    class Params(StageParams):
        how: str = "well"

    @classmethod
    def gives(cls, params):
        return {MAIN: Demonstration}

    def run(self, inputs, ctx):
        if self.params.how == "raise":
            raise ValueError("on purpose")
        if self.params.how == "die":
            print("last words", flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
        if self.params.how == "lie":
            return Outputs(rows={MAIN: []}, fates={("kept", ""): 1})
        if self.params.how == "forget":
            return Outputs()
        made = [Demonstration(row_id=r.row_id, prompt=r.prompt, completion=str(os.getpid())) for r in inputs.rows("prompts")]
        ctx.progress(0, len(made))
        ctx.progress(1, len(made), notice="look here" + chr(27) + "[31m")
        ctx.progress(len(made), len(made), notice="and here")
        return Outputs(rows={MAIN: made}, figures={"made": len(made)})

@hookimpl
def constitutional_stages():
    return [Alone]
"""


@pytest.fixture
def run(tmp_path):
    (tmp_path / "mine.py").write_text(PLUGIN)
    (tmp_path / "prompts.jsonl").write_text("".join(json.dumps({"prompt": f"p{n}"}) + "\n" for n in range(5)))

    def run_it(how):
        (tmp_path / "spec.yaml").write_text(
            "constitutional: 1\nname: whole\nplugins: [./mine.py]\ndata:\n  prompts: {source: jsonl, path: prompts.jsonl}\n"
            f"stages:\n  alone: {{transform: mine/alone, prompts: prompts, with: {{how: {how}}}}}\n"
        )
        return subprocess.run([*TOOL, "run", "spec.yaml"], cwd=tmp_path, capture_output=True, text=True, check=False)

    return run_it


def test_rows_and_figures_come_back_from_another_process(run, tmp_path):
    done = run("well")
    assert done.returncode == 0, done.stderr
    shown = subprocess.run(
        [*TOOL, "show", "alone", "--json"], cwd=tmp_path, capture_output=True, text=True, check=True
    ).stdout
    pids = {json.loads(line)["completion"][0]["content"] for line in shown.splitlines() if line}
    assert len(pids) == 1
    assert str(os.getpid()) not in pids
    assert json.loads((tmp_path / "runs/whole/report.json").read_text())["figures"] == {"alone": {"made": 5}}


def test_a_notice_is_an_event_of_its_own_and_none_is_lost(run, tmp_path):
    done = run("well")
    events = map(json.loads, (tmp_path / "runs/whole/events.jsonl").read_text().splitlines())
    said = [event["said"] for event in events if event["type"] == "step_notice"]
    assert said == ["look here\x1b[31m", "and here"]
    assert "alone: look here" in done.stdout + done.stderr
    assert "\x1b[31m" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("raise", "ValueError: on purpose"),
        ("die", "killed by signal 9"),
        ("lie", "5 rows went in, but 1 were accounted for"),
        ("forget", "gave no `main`"),
    ],
)
def test_a_failure_is_one_sentence_with_the_step_and_the_log_and_code_1(run, how, said):
    done = run(how)
    assert done.returncode == 1, done.stderr
    assert said in done.stderr
    assert "alone" in done.stderr
    assert "Traceback" not in done.stderr
    if how == "die":
        assert "last words" in done.stderr
    assert run("well").returncode == 0
