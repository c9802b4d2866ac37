"""`extends`, `--set` and `show`."""

from __future__ import annotations

from pathlib import Path

import pytest

from constitutional.errors import SpecError
from constitutional.spec.check import load
from constitutional.spec.show import show
from constitutional.spec.yamltree import plain
from tests.spec.fixtures import FOLDER
from tests.spec.specs import HEAD, codes, look, write

BASE = HEAD + (
    "  draft: {generator: sample, model: agent, prompts: rows, with: {temperature: 1.0, max_new_tokens: 8}}\n"
    "  policy: {trainer: dpo, model: agent, preferences: prefs, with: {beta: 0.1}}\n"
)


def test_keys_of_the_extending_spec_win(tmp_path: Path) -> None:
    write(tmp_path, BASE, "base.yaml")
    path = write(tmp_path, "constitutional: 1\nextends: base.yaml\nstages: {draft: {with: {temperature: 0.5}}}\n")
    params = look(path).stages["draft"].params.model_dump()
    assert (params["temperature"], params["max_new_tokens"]) == (0.5, 8)


def test_another_implementation_replaces_the_whole_stage(tmp_path: Path) -> None:
    write(tmp_path, BASE, "base.yaml")
    path = write(
        tmp_path,
        "constitutional: 1\nextends: base.yaml\n"
        "stages: {policy: {trainer: reward, model: agent, preferences: prefs}}\n",
    )
    assert look(path).spec.stages["policy"].params == {}  # type: ignore[union-attr]


def test_the_same_implementation_is_merged(tmp_path: Path) -> None:
    write(tmp_path, BASE, "base.yaml")
    path = write(
        tmp_path, "constitutional: 1\nextends: base.yaml\nstages: {policy: {trainer: dpo, with: {loss: ipo}}}\n"
    )
    assert look(path).spec.stages["policy"].params == {"beta": 0.1, "loss": "ipo"}  # type: ignore[union-attr]


def test_paths_stay_relative_to_the_file_they_are_written_in(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    write(tmp_path / "shared", BASE, "base.yaml")
    path = write(tmp_path, "constitutional: 1\nextends: shared/base.yaml\ndata: {rows: {limit: 3}}\n")
    (tmp_path / "rows.jsonl").unlink()
    found = look(path)
    assert found.data["rows"].params.model_dump()["path"] == tmp_path / "shared" / "rows.jsonl"
    assert "path: shared/rows.jsonl" in show(found.spec)


def test_an_error_in_the_extended_file_is_shown_there(tmp_path: Path) -> None:
    write(tmp_path, BASE.replace("temperature: 1.0", "temperature: hot"), "base.yaml")
    path = write(tmp_path, "constitutional: 1\nextends: base.yaml\n")
    with pytest.raises(SpecError) as caught:
        look(path)
    (found,) = caught.value.diagnostics
    assert found.span.source.name.endswith("base.yaml")


def test_a_long_chain_is_refused(tmp_path: Path) -> None:
    for number in range(9):
        write(tmp_path, f"constitutional: 1\nextends: s{number + 1}.yaml\n", f"s{number}.yaml")
    write(tmp_path, BASE, "s9.yaml")
    assert "extends" in codes(tmp_path / "s0.yaml")
    assert codes(tmp_path / "s2.yaml") == []


def test_a_circle_of_three_is_refused(tmp_path: Path) -> None:
    for one, other in ("ab", "bc", "ca"):
        write(tmp_path, f"constitutional: 1\nextends: {other}.yaml\nstages: {{}}\n", f"{one}.yaml")
    assert "extends" in codes(tmp_path / "a.yaml")


@pytest.mark.parametrize(
    ("said", "path", "expected"),
    [
        ("stages.policy.with.beta=5e-2", ("stages", "policy", "with", "beta"), 0.05),
        ("stages.policy.with.loss=ipo", ("stages", "policy", "with", "loss"), "ipo"),
        ("seed=3", ("seed",), 3),
        ("name=no", ("name",), "no"),
        ("about=", ("about",), None),
        ("limits.max_failures=0.5", ("limits", "max_failures"), 0.5),
        ("stages.draft.with={temperature: 0}", ("stages", "draft", "with"), {"temperature": 0}),
        ("stages.draft.with.stop=[a, b]", ("stages", "draft", "with", "stop"), ["a", "b"]),
    ],
)
def test_set_changes_one_place(tmp_path: Path, said: str, path: tuple[str, ...], expected: object) -> None:
    from constitutional.spec.extend import read_tree
    from constitutional.spec.findings import Findings
    from constitutional.spec.yamltree import MapNode

    findings = Findings()
    tree, _ = read_tree(write(tmp_path, BASE), [said], findings)
    assert findings.diagnostics == []
    node = tree
    for key in path:
        assert isinstance(node, MapNode)
        node = node.get(key)
    assert node is not None
    assert plain(node) == expected


def test_set_finds_keys_with_dots(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        BASE + "  result:\n    evaluator: harmlessness\n    models: {start: agent}\n    prompts: rows\n"
        "    require: {start.unsafe_rate: {max: 0.5}}\n",
    )
    found = look(path, "stages.result.require.start.unsafe_rate.max=0.1")
    assert found.stages["result"].spec.require["start.unsafe_rate"].max == 0.1


def test_set_changes_an_item_of_a_list(tmp_path: Path) -> None:
    path = write(tmp_path, BASE + "  more: {trainer: sft, model: agent, demonstrations: [rows, rows]}\n")
    found = look(path, "stages.more.demonstrations.1=draft")
    assert [e.target for e in found.stages["more"].inputs["demonstrations"]] == ["rows", "draft"]


@pytest.mark.parametrize(
    "said",
    [
        "",
        "=1",
        "seed",
        "stages..x=1",
        ".=1",
        "stages.nobody.with.beta=1",
        "models.nobody.model=x",
        "seed.deep.er=1",
        "a." * 200 + "b=1",
        "seed=\x1b",
        "seed=\ud800",
        "stages.draft.with.stop.5=x",
    ],
)
def test_bad_sets_are_mistakes_with_a_place(tmp_path: Path, said: str) -> None:
    with pytest.raises(SpecError) as caught:
        look(write(tmp_path, BASE), said)
    assert {d.span.source.name for d in caught.value.diagnostics} == {"--set #1"}


def test_later_sets_win(tmp_path: Path) -> None:
    assert look(write(tmp_path, BASE), "seed=1", "seed=2").spec.seed == 2


def test_what_is_shown_is_read_as_the_same_spec(tmp_path: Path) -> None:
    spec = load(FOLDER / "data" / "good.yaml", ["stages.rl_cai.with.beta=1e-3", "about='no'", "name='1e-5'"])
    again = load(write(tmp_path, show(spec), "shown.yaml"))
    assert plain(again.tree) == plain(spec.tree)
    assert show(again) == show(spec)


NASTY_TEXTS = [
    "",
    " ",
    "a: b",
    "# no",
    "- x",
    "null",
    "1",
    "1e5",
    "no",
    "a\nb",
    "a\n\nb\n",
    " lead\nx",
    "tail \nx",
    "tab\tx",
    "'",
    '"',
    "\\",
    "{",
    "[",
    "*a",
    "&a",
    "!a",
    "|",
    ">",
    "%",
    "@",
    "`",
    "é",
    "名前",
    "\u2028",
    "x" * 300,
    "a #b",
    "a:b",
    "a :b",
    "--- x",
    "...",
    "?",
    "~",
    "0x10",
    ".5",
    "$",
    "${env:A}",
    "a,b",
    "<<",
    "x\r\ny",
    "\n",
    "a\n ",
]


@pytest.mark.parametrize("text", NASTY_TEXTS)
def test_any_text_survives_being_shown(tmp_path: Path, text: str) -> None:
    from constitutional.spec.show import show_tree
    from constitutional.spec.text import Source
    from constitutional.spec.yamltree import Entry, ListNode, MapNode, Scalar, parse

    at = Source("t", "t", tmp_path).span()
    value = Scalar(at, text, text)
    inner = MapNode(at, (Entry(Scalar(at, "k", "k"), value), Entry(Scalar(at, "l", "l"), ListNode(at, (value, value)))))
    tree = MapNode(at, (Entry(Scalar(at, "a", "a"), value), Entry(Scalar(at, "b", "b"), ListNode(at, (inner, inner)))))
    shown = show_tree(tree, tmp_path)
    again, found = parse(Source("shown", shown, tmp_path))
    assert found == [], shown
    assert again is not None
    assert plain(again) == plain(tree), shown
