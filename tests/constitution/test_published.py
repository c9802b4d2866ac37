"""Constitutions that others have published, made ours."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from constitutional.cli.import_constitution import import_constitution as command
from constitutional.constitution.published import Imported, Published, as_yaml, read_published
from constitutional.constitution.read import read_constitution, read_source_text
from constitutional.errors import SpecError, UserError
from constitutional.spec.findings import Findings
from constitutional.spec.text import Source
from tests.public_data import DATA, public

REQUESTS = {
    "harmful0": {"prompt": ["\n\nCritiqueRequest: Say what is harmful.\n\nCritique:"], "edit_request": "\n\nRevisionRequest: Remove it.\n\nRevision:"},
    "Second One": {"prompt": ["CritiqueRequest: A?", "CritiqueRequest: B?"], "edit_request": "Do it again."},
}  # fmt: skip
COMPARISONS = ["\nWhich response is less harmful? Options:", "\nChoose the more honest one. Options:"]
PAIR = {"critic": "Discuss what is rude.", "revision": "Make it polite."}


def write(folder: Path, value: Any, name: str = "published.json") -> Path:
    path = folder / name
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    return path


def call(*words: str):
    return CliRunner().invoke(command, list(words), standalone_mode=False, catch_exceptions=False)


def test_critique_and_revision_requests_lose_their_labels(tmp_path: Path) -> None:
    found = read_published(write(tmp_path, REQUESTS))
    assert found.form == "critique and revision requests"
    assert found.principles[0] == Imported("harmful0", {"critique": "Say what is harmful.", "revision": "Remove it."})
    assert [p.id for p in found.principles] == ["harmful0", "second-one", "second-one-2"]
    assert [p.texts["critique"] for p in found.principles[1:]] == ["A?", "B?"]


def test_comparisons_are_numbered(tmp_path: Path) -> None:
    found = read_published(write(tmp_path, COMPARISONS))
    assert [(p.id, p.texts) for p in found.principles] == [
        ("comparison-01", {"compare": "Which response is less harmful?"}),
        ("comparison-02", {"compare": "Choose the more honest one."}),
    ]


@pytest.mark.parametrize(
    ("value", "ids", "left_out"),
    [
        ([PAIR, PAIR], ["principle-01", "principle-02"], ""),
        ({"rude": PAIR, "Rude!": PAIR}, ["rude", "rude-2"], ""),
        (
            {"constitutions": [PAIR], "system_chat": [[{"role": "user", "content": "x"}]]},
            ["principle-01"],
            "`system_chat`",
        ),
    ],
)
def test_critics_and_revisions_in_all_their_forms(value: Any, ids: list[str], left_out: str, tmp_path: Path) -> None:
    found = read_published(write(tmp_path, value))
    assert [p.id for p in found.principles] == ids
    assert found.principles[0].texts == {"critique": "Discuss what is rude.", "revision": "Make it polite."}
    assert found.left_out == left_out


@pytest.mark.parametrize(
    "value",
    ["{", "[]", "{}", "3", '"text"', "[1]", '["a", 1]', '{"a": {"prompt": []}}', '{"a": {"prompt": [], "edit_request": "x"}}',
     '[{"critic": "a"}]', '[{"critic": "a", "revision": 3}]', '["Options:"]', '[""]', "[" * 5000],
)  # fmt: skip
def test_other_things_are_the_users_mistake(value: str, tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        read_published(write(tmp_path, value))
    assert caught.value.help


def test_the_command_writes_a_constitution_that_can_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path, REQUESTS)
    said = call("published.json", "-o", "out/mine.yaml", "--name", "mine", "--group", "safety")
    assert "wrote 3 principles (critique and revision requests)" in said.stdout
    made = read_constitution("out/mine.yaml")
    assert (made.name, made["harmful0"].group, made["harmful0"].critique) == ("mine", "safety", "Say what is harmful.")
    with pytest.raises(UserError, match="exists already"):
        call("published.json", "-o", "out/mine.yaml")
    with pytest.raises(SpecError):
        call("published.json", "--name", " ")
    with pytest.raises(UserError):
        call("gone.json")
    assert call("published.json").stdout.startswith("constitution: 1\nname: published\n")


def test_what_is_left_out_is_said(tmp_path: Path) -> None:
    path = write(tmp_path, {"constitutions": [PAIR], "system_chat": []})
    assert "left out: `system_chat`" in call(str(path)).stderr


@pytest.mark.parametrize("value", [REQUESTS, COMPARISONS])
def test_a_published_file_in_place_of_a_constitution_says_what_to_do(value: Any, tmp_path: Path) -> None:
    with pytest.raises(SpecError) as caught:
        read_constitution(write(tmp_path, value))
    (found,) = caught.value.diagnostics
    assert "import-constitution" in (found.help or "")


def test_our_own_form_may_be_json(tmp_path: Path) -> None:
    path = write(tmp_path, {"constitution": 1, "principles": [{"id": "a", "rule": "Be kind."}]})
    assert read_constitution(path)["a"].rule == "Be kind."


@given(st.lists(st.text(st.characters(codec="utf-8"), min_size=1), min_size=1, max_size=5))
def test_any_text_comes_back_as_it_was_cleaned(texts: list[str]) -> None:
    from constitutional.constitution.published import _clean

    try:
        cleaned = [_clean(text, "compare", "a", Path("x")) for text in texts]
    except UserError:
        return
    made = as_yaml(
        Published("comparisons", tuple(Imported(f"p{n}", {"compare": text}) for n, text in enumerate(cleaned))), "x"
    )
    findings = Findings()
    found = read_source_text(Source("x.yaml", made, Path()), None, findings)
    env = [d for d in findings.diagnostics if d.code == "bad-env"]
    if not env:
        assert findings.diagnostics == []
        assert found is not None
        assert [p.compare for p in found] == cleaned


@public("cai2022/CritiqueRevisionInstructions.json")
def test_the_published_critiques() -> None:
    found = read_published(DATA / "cai2022" / "CritiqueRevisionInstructions.json")
    assert [p.id for p in found.principles] == [f"harmful{n}" for n in range(16)]
    for principle in found.principles:
        assert set(principle.texts) == {"critique", "revision"}
        assert not any(
            label in text for text in principle.texts.values() for label in ("Request:", "Critique:", "Revision:")
        )


@public("cai2022/RLMadisonInstructions.json")
def test_the_published_comparisons(tmp_path: Path) -> None:
    output = tmp_path / "rl.yaml"
    call(str(DATA / "cai2022" / "RLMadisonInstructions.json"), "-o", str(output))
    made = read_constitution(output)
    assert len(made) == 16
    assert all(p.compare and "Options" not in p.compare for p in made)
