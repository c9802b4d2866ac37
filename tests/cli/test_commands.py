"""The command line as a user meets it: every command, and every exit code."""

import json
import os
import pty
import signal
import subprocess
import sys
import time

import pytest

from tests.crash.killing import RULES, SPEC

TOOL = [sys.executable, "-m", "constitutional.cli.main"]


def tool(folder, *arguments, **environment):
    return subprocess.run(
        [*TOOL, *arguments], cwd=folder, capture_output=True, text=True, check=False, env={**os.environ, **environment}
    )


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A folder with a spec that has been run once."""
    folder = tmp_path_factory.mktemp("project")
    rows = "".join(json.dumps({"prompt": f"question {n}", "category": "plain"}) + "\n" for n in range(30))
    (folder / "prompts.jsonl").write_text(rows)
    (folder / "rules.yaml").write_text(RULES)
    (folder / "spec.yaml").write_text(SPEC)
    done = tool(folder, "run", "spec.yaml")
    assert done.returncode == 0, done.stderr
    return folder


def test_a_run_says_what_became_of_the_rows_and_where_things_are(project):
    said = tool(project, "run", "spec.yaml").stdout
    assert "nothing to do" in said
    assert "runs/killed/report.json" in said


def test_plan_says_why(project):
    assert "nothing to do" in tool(project, "plan", "spec.yaml").stdout
    changed = tool(project, "plan", "spec.yaml", "--set", "stages.labels.with.margin=0.2").stdout
    assert "margin was 0.0, is 0.2" in changed
    assert "1 of" in changed


def test_editing_one_principle_recomputes_only_the_rows_that_drew_it(project, tmp_path):
    (tmp_path / "prompts.jsonl").write_text((project / "prompts.jsonl").read_text())
    (tmp_path / "spec.yaml").write_text(SPEC)
    (tmp_path / "rules.yaml").write_text(RULES)
    tool(tmp_path, "run", "spec.yaml")
    (tmp_path / "rules.yaml").write_text(RULES.replace("Be kind.", "Be very kind."))
    plan = json.loads(tool(tmp_path, "plan", "spec.yaml", "--json").stdout)
    reason = next(step["reason"] for step in plan["steps"] if step["step"] == "improve.1.critique")
    assert reason.startswith("principle kind changed: ")
    tool(tmp_path, "run", "spec.yaml")
    events = [json.loads(line) for line in (tmp_path / "runs/killed/events.jsonl").read_text().splitlines()]
    again = [e for e in events if e["type"] == "step_finished" and e["step"] == "improve.1.critique"][-1]
    drew = int(reason.split(": ")[1].split(" of ")[0])
    assert 0 < drew < 60
    assert again["calls"] - again["calls_reused"] <= drew
    assert again["calls"] == 60


def test_show_and_trace_tell_the_whole_history_of_a_row(project):
    shown = tool(project, "show", "improve", "-n", "1").stdout
    assert "critique 1 (" in shown
    assert "question" in shown
    row = json.loads(tool(project, "show", "votes", "-n", "1", "--json").stdout)
    traced = tool(project, "trace", row["row_id"][:10]).stdout
    for word in ("votes", "pairs", "prompts", "labeller/multiple-choice", "source/jsonl"):
        assert word in traced


def test_lists(project):
    assert "finished" in tool(project, "runs").stdout
    assert "critic/principle" in tool(project, "stages").stdout
    assert "learning_rate: float" in tool(project, "stages", "trainer/dpo").stdout
    rules = tool(project, "stages", "labeller/rules").stdout
    assert "checks: tuple[PatternCheck | LengthCheck | PersonalCheck | CodeCheck, ...]   (required)" in rules
    assert "checks[pattern].must: Literal['match', 'not-match']" in rules
    assert "models: models by label (choices), in place of model" in tool(project, "stages", "labeller/score").stdout
    assert "builtin" in tool(project, "plugins").stdout
    assert json.loads(tool(project, "schema").stdout)["$schema"].startswith("http://json-schema.org/draft-07")


def test_a_new_project_checks(tmp_path):
    made = tool(tmp_path, "init", "mine")
    assert made.returncode == 0, made.stderr
    assert tool(tmp_path, "check", "mine/support-agent.yaml").returncode == 0
    again = tool(tmp_path, "init", "mine")
    assert again.returncode == 2
    assert "exists already" in again.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "nothing.yaml"], "nothing.yaml"),
        (["rum", "spec.yaml"], "did you mean 'run'"),
        (["show", "drafts"], "did you mean 'draft'"),
        (["trace", "zzzz"], "zzzz"),
        (["stages", "critics"], "did you mean 'critic'"),
        (["stages", "critic/principal"], "did you mean 'principle'"),
        (["plugins", "nobody"], "pip install constitutional-nobody"),
        (["run", "spec.yaml", "--set", "stages.labels.with.margn=1"], "did you mean `margin`"),
        (["run", "spec.yaml", "-p", "nobody"], "pip install constitutional-nobody"),
    ],
)
def test_a_users_mistake_ends_with_2_a_hint_and_no_traceback(project, arguments, said):
    done = tool(project, *arguments)
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_gate_that_does_not_hold_ends_with_1(project, tmp_path):
    done = tool(project, "run", "spec.yaml", "--set", "stages.labels.require={coverage: {min: 1.1}}")
    assert done.returncode == 1
    assert "coverage >= 1.1, but it is" in done.stderr


def test_ctrl_c_stops_cleanly_and_the_same_command_goes_on(project, tmp_path):
    slow = ["run", "spec.yaml", "--plain", "--root", str(tmp_path), "--set", "models.m.seconds=0.3"]
    process = subprocess.Popen([*TOOL, *slow], cwd=project, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not any("step_started" in log.read_text() for log in tmp_path.glob("*/events.jsonl")):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130, said
    assert "the same command goes on" in said
    assert tool(project, *slow[:-1], "models.m.seconds=0.3").returncode == 0


def test_the_live_view_on_a_terminal_lets_no_control_character_of_a_row_through(tmp_path):
    """In a real pseudo-terminal: rows, reasons and names of strangers cannot move the cursor."""
    hostile = "a\x1b]0;owned\x07b\x1b[2J[/nope]\u202e"
    (tmp_path / "prompts.jsonl").write_text(json.dumps({"prompt": hostile}) + "\n")
    (tmp_path / "spec.yaml").write_text(
        "constitutional: 1\nname: view\nmodels:\n  m: {backend: scripted, rules: [{when: nothing, say: x}]}\n"
        "data:\n  prompts: {source: jsonl, path: prompts.jsonl}\n"
        "stages:\n  draft: {generator: sample, model: m, prompts: prompts}\nlimits: {max_failures: 5}\n"
    )
    main, terminal = pty.openpty()
    process = subprocess.Popen(
        [*TOOL, "run", "spec.yaml"], cwd=tmp_path, stdout=terminal, stderr=terminal, stdin=terminal
    )
    os.close(terminal)
    written = b""
    while True:
        try:
            piece = os.read(main, 65536)
        except OSError:
            break
        if not piece:
            break
        written += piece
    process.wait(timeout=30)
    assert b"no-rule" in written
    assert b"\x1b]0;" not in written
    assert b"\x1b[2J" not in written
    assert "\u202e".encode() not in written


def test_every_stage_can_be_explained():
    from click.testing import CliRunner

    from constitutional.cli.main import cli
    from constitutional.plugins import Registry
    from constitutional.stage import KINDS

    registry = Registry()
    for kind in KINDS:
        for name in registry.stage_names(kind):
            said = CliRunner().invoke(cli, ["stages", f"{kind}/{name}"], standalone_mode=False)
            assert said.exception is None, (kind, name, said.exception)
            assert said.output.startswith(f"{kind}: {name}")
            assert len(said.output.splitlines()) < 400
