"""From a real run to blind sheets."""

from __future__ import annotations

import csv

import pytest
from click.testing import CliRunner

from constitutional.audit.sample import draw
from constitutional.cli.audit import audit
from constitutional.errors import DataError, UserError
from tests.audit.support import drawn


def test_a_sample_has_every_stratum_and_its_question(here):
    sheet, key, said = drawn(here, "-n", "20")
    rows = list(csv.DictReader(sheet.open(newline="")))
    assert len(rows) == len({row["id"] for row in rows}) == 20
    assert {row["question"] for row in rows} == {"Which reply is kinder?", "Which reply is more useful?"}
    assert all(row["verdict"] == "" for row in rows)
    bands = {item.label.band for item in key.items}
    assert bands == {"unsure", "sure"}
    assert sum(item.weight for item in key.items) == pytest.approx(20)
    assert key.unlabelled == 4
    assert "4 questions without a usable vote are none" in said


def test_the_run_may_be_named_by_its_spec_and_the_labels_may_be_preferences(here):
    _, by_name, _ = drawn(here)
    _, by_spec, _ = drawn(here, "--force", run="spec.yaml")
    assert by_name == by_spec
    _, preferences, _ = drawn(here, "--force", step="labels")
    assert {item.label.principle for item in preferences.items} >= {"kind, useful"}
    assert {item.label.verdict() for item in preferences.items} == {"first"}
    both = next(item for item in preferences.items if item.label.principle == "kind, useful")
    assert both.question.startswith("Which answer is better, all in all? Which reply is kinder?")


def test_nothing_in_the_sheet_depends_on_what_the_judge_said(here):
    """Turn every verdict of the judge round, keeping how sure it was: the sheet is the same to the byte."""
    from dataclasses import replace

    from constitutional.audit.sheet import as_csv, as_jsonl, as_page

    _, key, _ = drawn(here, "-n", "500")
    labels = [item.label for item in key.items]
    turned = [replace(label, p_first=1 - label.p_first) for label in labels]
    for form in (as_csv, as_jsonl, lambda items: as_page(items, "s")):
        assert form(draw(labels, 30, 5, {}).items) == form(draw(turned, 30, 5, {}).items)
    assert "p_first" not in (here / "s.csv").read_text()


def test_the_order_of_the_answers_is_drawn_for_each_row(here):
    _, key, _ = drawn(here, "-n", "500")
    share = sum(item.a_first for item in key.items) / len(key.items)
    assert 0.3 < share < 0.7
    preferred = [("A" if item.a_first else "B") if item.label.p_first > 0.5 else ("B" if item.a_first else "A")
                 for item in key.items if item.label.verdict() != "tie"]  # fmt: skip
    assert 0.25 < preferred.count("A") / len(preferred) < 0.75
    _, other, _ = drawn(here, "-n", "500", "--seed", "1", "--force")
    assert [item.a_first for item in key.items] != [item.a_first for item in other.items]


@pytest.mark.parametrize("how", ["proportional", "equal"])
def test_allocation_adds_up(how):
    from constitutional.audit.sample import allocate

    sizes = {"a": 100, "b": 10, "c": 1}
    for n in range(1, 112):
        found = allocate(sizes, n, how)
        assert sum(found.values()) == n
        assert all(1 <= found[name] <= sizes[name] for name in found)
        assert n < 3 or len(found) == 3
    wanted = {"proportional": (22, {"a": 19, "b": 2, "c": 1}), "equal": (21, {"a": 10, "b": 10, "c": 1})}
    n, expected = wanted[how]
    assert allocate(sizes, n, how) == expected


def test_a_sheet_is_safe_in_a_spreadsheet_and_a_terminal(here):
    sheet, _, _ = drawn(here, "-n", "500")
    cells = [cell for row in csv.reader(sheet.open(newline="")) for cell in row]
    assert any(cell == "'=cmd|x!A1" for cell in cells)
    assert not any(cell[:1] in "=+-@\t\r" for cell in cells if cell)
    assert any("<U+001B>" in cell for cell in cells)
    assert "\x1b" not in sheet.read_text()


def test_mistakes_of_the_user(here):
    with pytest.raises(UserError, match="no run `nobody`"):
        drawn(here, run="nobody")
    assert "did you mean 'votes'" in CliRunner().invoke(audit, ["sample", "tiny", "vots", "-o", "s.csv"]).output
    with pytest.raises(DataError, match="pairs are no labels"):
        drawn(here, step="pairs")
    drawn(here)
    assert "--force replaces it" in CliRunner().invoke(audit, ["sample", "tiny", "votes", "-o", "s.csv"]).output
    assert "neither .csv nor .jsonl" in CliRunner().invoke(audit, ["sample", "tiny", "votes", "-o", "s.txt"]).output
