"""Model cards: the whole lineage, the same bytes wherever, and nothing that a stranger can mark up."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from constitutional.engine import card

TOOL = [sys.executable, "-m", "constitutional.cli.main"]
SPECS = Path(__file__).parents[2] / "specs"
SPEC = """
constitutional: 1
name: carded
seed: 5
constitution: constitutions/support-agent.yaml
models: {agent: {backend: transformers, model: "builtin:support-agent"}}
data: {attacks: {source: jsonl, path: data/attacks.jsonl, limit: 6}}
stages:
  draft:    {generator: sample, model: agent, prompts: attacks, with: {max_new_tokens: 8}}
  critique: {critic: principle, model: agent, responses: draft, with: {max_new_tokens: 8}}
  revise:   {reviser: rewrite, model: agent, critiques: critique, with: {max_new_tokens: 8}}
  tuned:    {trainer: sft, model: agent, demonstrations: revise, with: {max_steps: 1, trainer_args: {hub_token: hidden-word}}}
"""


def carded(root: Path) -> tuple[str, Path]:
    root.mkdir(parents=True)
    for name in ("constitutions", "data"):
        shutil.copytree(SPECS / name, root / name)
    (root / "spec.yaml").write_text(SPEC)
    done = subprocess.run([*TOOL, "run", "spec.yaml", "--plain"], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    folder = (root / "runs/carded/steps/tuned").resolve() / "main"
    return (folder / card.NAME).read_text(), folder


@pytest.mark.slow
def test_a_model_says_what_it_was_made_from_and_nothing_of_where(tmp_path: Path) -> None:
    said, folder = carded(tmp_path / "one")
    _, front, body = said.split("---\n", 2)
    assert yaml.safe_load(front)["tags"] == ["constitutional-ai", "trainer/sft"]
    for words in ("builtin:support-agent", "`support-agent`; digest of the principles", "no-sensitive-data", "source/jsonl",
                  "generator/sample", "critic/principle", "reviser/rewrite", '"max_steps": 1', "last_loss", "transformers",
                  "kept"):  # fmt: skip
        assert words in body, words
    assert "hidden-word" not in said
    assert str(tmp_path) not in said
    again, elsewhere = carded(tmp_path / "deeper" / "two")
    assert again == said
    digests = [json.loads((path.parent / "artifact.json").read_text())["outputs"] for path in (folder, elsewhere)]
    assert digests[0] == digests[1]


@given(st.text(max_size=300))
def test_text_of_strangers_is_code_on_one_line(text: str) -> None:
    shown = card._code(text)
    assert shown.startswith("`")
    assert shown.endswith("`")
    assert not set("`|\n\r\u202e\u200b\x1b") & set(shown[1:-1])


@given(st.dictionaries(st.text(max_size=8), st.text(max_size=40), max_size=4))
def test_figures_cannot_end_their_block(figures: dict[str, str]) -> None:
    shown = card._block("Figures", figures)
    assert shown.count("```") == (2 if figures else 0)
    assert shown.isascii()


def test_what_is_called_a_secret_is_not_shown() -> None:
    said = {"trainer_args": {"hub_token": "x1", "nested": [{"api_key": "x2"}]}, "max_new_tokens": 5}
    assert card._open(said) == {
        "trainer_args": {"hub_token": "...", "nested": [{"api_key": "..."}]},
        "max_new_tokens": 5,
    }
