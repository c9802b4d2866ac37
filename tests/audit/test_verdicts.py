"""From filled sheets to figures and votes."""

from __future__ import annotations

import csv
import json
import re
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from constitutional.audit.figures import report, table
from constitutional.audit.labels import Label
from constitutional.audit.sample import draw, read_key
from constitutional.audit.verdicts import Judged, read_verdicts
from constitutional.cli.audit import audit
from constitutional.cli.run import run
from constitutional.errors import DataError
from constitutional.records import Preference, Vote, user
from constitutional.rows import to_record
from tests.audit.support import call, careful, contrary, drawn, filled, imported


def test_who_judges_as_the_judge_does_agrees_and_who_turns_it_round_does_not(here):
    sheet, _, _ = drawn(here, "-n", "60")
    said = imported(here, filled(sheet, "alice", careful), filled(sheet, "bob", careful))
    everything = said["all"]
    assert everything["judge_with_people"]["agreement"]["value"] == 1.0
    assert everything["judge_with_people"]["agreement"]["low"] < 1.0
    assert everything["judge_with_people"]["kappa"]["value"] == pytest.approx(1.0)
    assert everything["people"]["alpha"]["value"] == pytest.approx(1.0)
    assert everything["people"]["agreement"]["n"] == 60
    said = imported(here, filled(sheet, "carol", contrary))
    assert said["all"]["judge_with_people"]["without_ties"]["value"] == 0.0
    assert said["all"]["judge_with_people"]["kappa"]["value"] < 0.5
    assert said["all"]["people"]["alpha"]["value"] is None
    assert set(said["by_principle"]) == {"kind", "useful"}
    assert said["by_confidence"]["leaning"]["judge_with_people"]["agreement"]["value"] is None


def test_figures_are_of_all_labels_whatever_the_sample_looked_like(here):
    """People who agree where the judge is sure and never where it is not: equal strata, weighted back."""
    sheet, key, _ = drawn(here, "-n", "40", "--allocation", "equal")
    sure = {item.id for item in key.items if item.label.band == "sure"}

    def person(row):
        return careful(row) if row["id"] in sure else "A"

    whole = drawn(here, "-n", "5000", "--force")[1]
    truth = sum(item.label.band == "sure" for item in whole.items) / len(whole.items)
    drawn(here, "-n", "40", "--allocation", "equal", "--force")
    found = imported(here, filled(sheet, "dan", person))["all"]["judge_with_people"]["agreement"]
    assert found["value"] == pytest.approx(truth)
    assert found["value"] != pytest.approx(len(sure) / 40)


def test_votes_and_preferences_say_what_people_said(here):
    sheet, key, _ = drawn(here, "-n", "30")
    answers = iter(["skip", *(["A", "B", "tie"] * 10)])
    imported(here, filled(sheet, "eve", lambda row: next(answers)))
    lines = [json.loads(line) for line in (here / "sv.jsonl").read_text().splitlines()]
    votes = list(to_record(lines, Vote))
    assert len(votes) == 30
    assert {vote.judge for vote in votes} == {"human:eve"}
    for vote in votes:
        shown_first = vote.first if vote.order == "ab" else vote.second
        item = next(i for i in key.items if i.label.pair == vote.pair and i.label.principle == vote.principle)
        assert shown_first == item.answers[0]
        expected = {"A": 1.0, "B": 0.0, "tie": 0.5, "skip": None}[vote.raw]
        assert vote.p_first == expected
        assert (vote.abstained is not None) == (vote.raw == "skip")
    assert vote.meta["annotator"] == "eve"
    lines = [json.loads(line) for line in (here / "sp.jsonl").read_text().splitlines()]
    preferences = list(to_record(lines, Preference))
    assert len(preferences) == 29
    assert {row.p_chosen for row in preferences} == {0.5, 1.0}


def test_a_debiaser_takes_the_votes_of_people(here):
    """The verdict file is an ordinary data set: `source: jsonl`, and a debiaser makes labels of it."""
    sheet, _, _ = drawn(here, "-n", "60")
    imported(here, filled(sheet, "alice", careful))
    (here / "sx.yaml").write_text(
        "constitutional: 1\nname: people\ndata:\n  human: {source: jsonl, path: sv.jsonl, records: votes}\nstages:\n"
        "  labels: {debiaser: position-swap, votes: human, with: {allow_single_order: true}}\n"
    )
    assert call(run, "sx.yaml", "--plain").exit_code == 0
    report = json.loads((here / "runs/people/report.json").read_text())
    assert report["status"] == "finished", report


def test_the_verdicts_of_people_calibrate_the_votes_that_they_judged(here):
    """The whole loop: a run, a blind sample, filled sheets, and the same spec with what people said."""
    sheet, key, _ = drawn(here, "-n", "40")
    imported(here, filled(sheet, "alice", careful), filled(sheet, "bob", careful))
    (here / "sx.yaml").write_text(
        "constitutional: 1\nname: loop\nextends: spec.yaml\ndata:\n"
        "  people: {source: jsonl, path: sp.jsonl, records: preferences}\nstages:\n"
        "  labels: {debiaser: compose, rows: votes, audit: people, with: {steps: [calibrate, position-swap]}}\n"
    )
    said = call(run, "sx.yaml", "--plain")
    assert said.exit_code == 0, said.output
    assert re.search(r"figures labels  coverage  0\.\d+ \[.*\] n \d+\n", said.output), said.output
    assert re.search(r"figures labels  accuracy  \S+ \[.*\] n \d+\n", said.output), said.output
    report = json.loads((here / "runs/loop/report.json").read_text())
    calibrated = report["figures"]["labels"]["steps"][0]
    assert calibrated["brier"]["before"]["n"] == 2 * len(key.items)  # two orders of each label, and no other principle


def test_labels_of_several_principles_keep_them_apart(here):
    sheet, _, _ = drawn(here, "-n", "10", step="labels")
    imported(here, filled(sheet, "alice", careful))
    lines = [json.loads(line) for line in (here / "sp.jsonl").read_text().splitlines()]
    assert ("kind", "useful") in {tuple(line["principles"]) for line in lines}


def test_columns_of_the_table_stay_apart(here):
    sheet, _, _ = drawn(here, "-n", "40")
    call(audit, "import", filled(sheet, "alice", careful), "--key", here / "s.key.json", "-o", "sv.jsonl")
    said = call(
        audit, "import", filled(sheet, "alice", contrary), "--key", here / "s.key.json", "-o", "sv.jsonl", "--force"
    )
    rows = [line for line in said.output.splitlines() if "judge" in line or "by " in line][1:]
    assert rows
    assert not [line for line in rows if re.search(r"n=\d+[-.]|n=\d+ \S", line)]


@pytest.mark.parametrize("mark", [";", "\t"])
def test_sheets_saved_by_a_spreadsheet_of_another_country_are_read(here, mark):
    sheet, key, _ = drawn(here, "-n", "8")
    path = filled(sheet, "alice", careful)
    rows = list(csv.reader(path.open(newline="", encoding="utf-8")))
    with path.open("w", newline="", encoding="utf-8-sig") as file:
        csv.writer(file, delimiter=mark).writerows(rows)
    judged, missing = read_verdicts([path], key)
    assert (len(judged), missing) == (8, 0)


def test_the_key_of_another_sheet_is_suspected(here):
    sheet, _, _ = drawn(here, "-n", "8")
    drawn(here, "-n", "8", "--seed", "7", out="so.csv")
    with pytest.raises(DataError, match="8 mistakes") as mistaken:
        read_verdicts([filled(sheet, "alice", careful)], _with_other_ids(read_key(here / "so.key.json")))
    assert "another sheet" in str(mistaken.value.help)


def _with_other_ids(key):
    return replace(key, items=[replace(item, id=f"x{item.id}") for item in key.items])


def test_all_mistakes_are_told_at_once(here):
    _, key, _ = drawn(here, "-n", "10")
    ids = [item.id for item in key.items]
    (here / "s.zed.csv").write_text(
        "id,verdict\n"
        + f"{ids[0]},A\n{ids[0]},B\nffff,A\n{ids[1]},maybe\n{ids[2]},\n"
        + "".join(f"{id},B\n" for id in ids[4:])
    )
    with pytest.raises(DataError) as told:
        imported(here, "s.zed.csv")
    said = str(told.value)
    assert said.startswith("4 mistakes")
    assert f"s.zed.csv:3: zed judged {ids[0]} on s.zed.csv:2 already" in said
    assert "s.zed.csv:4: 'ffff' is not in the sample" in said
    assert "s.zed.csv:5: 'maybe' is no verdict" in said
    assert "zed left 3 of 10 without a verdict" in said
    assert not (here / "sv.jsonl").exists()


def test_lines_that_are_no_objects_are_told_with_the_rest(here):
    drawn(here, "-n", "10")
    (here / "s.zed.jsonl").write_text('{"id": "ffff", "verdict": "A"}\n[]\n{"id"\n')
    with pytest.raises(DataError) as told:
        imported(here, "s.zed.jsonl")
    said = str(told.value)
    assert "3 mistakes" in said
    assert "s.zed.jsonl:1: 'ffff' is not in the sample" in said
    assert "s.zed.jsonl:2: not an object" in said
    assert "s.zed.jsonl:3: not JSON" in said
    (here / "s.zed.jsonl").write_text("")
    with pytest.raises(DataError, match=r"s\.zed\.jsonl: there are no verdicts"):
        imported(here, "s.zed.jsonl")


def test_one_person_may_give_back_two_files(here):
    _, key, _ = drawn(here, "-n", "10")
    ids = [item.id for item in key.items]
    for number, part in enumerate((ids[:4], ids[4:])):
        (here / f"s.{number}.csv").write_text("id,annotator,verdict\n" + "".join(f"{id},ann,A\n" for id in part))
    assert imported(here, "s.0.csv", "s.1.csv")["sample"]["annotators"] == ["ann"]


@given(st.binary(max_size=200), st.sampled_from([".csv", ".jsonl"]))
def test_any_bytes_are_verdicts_or_a_mistake(content, suffix):
    label = Label("p", "kind", (user("hi"),), "one", "two", 0.9, "judge")
    key = draw([label], 1, 0, {})
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"s.x{suffix}"
        path.write_bytes(content)
        try:
            judged, missing = read_verdicts([path], key, partial=True)
        except DataError as error:
            assert str(path) in str(error)
        else:
            assert len(judged) + missing >= 1


@given(st.lists(st.tuples(st.sampled_from("pqr"), st.floats(0, 1), st.sampled_from(["A", "B", "tie", "skip"]),
                          st.sampled_from(["ann", "bob"])), max_size=15), st.integers(0, 3))  # fmt: skip
def test_every_report_is_whole_and_plain_json(said, seed):
    """Whatever was said: counts add up, bounds hold the value, and nothing is NaN."""
    labels = [
        Label(f"{pair}{n}", "kind", (user("hi"),), "one", "two", p, "judge") for n, (pair, p, _, _) in enumerate(said)
    ]
    if not labels:
        return
    key = draw(labels, 99, seed, {})
    by_pair = {item.label.pair: item for item in key.items}
    judged = [Judged(by_pair[label.pair], who, word) for label, (_, _, word, who) in zip(labels, said, strict=True)]
    made = report(key, judged)
    json.dumps(made, allow_nan=False)
    found = made["all"]["judge_with_people"]["agreement"]
    assert found["n"] + found["unscored"] == len(labels)
    for part in (made["all"]["judge_with_people"], made["all"]["people"]):
        for one in part.values():
            if one["low"] is not None:
                assert one["low"] - 1e-6 <= one["value"] <= one["high"] + 1e-6
    assert all(isinstance(line, str) for line in table(made))


def test_what_is_missing_is_counted_and_no_verdict(here):
    _, key, _ = drawn(here, "-n", "10")
    ids = [item.id for item in key.items]
    (here / "s.zed.csv").write_text(
        "id,verdict\n" + "".join(f"{id},b\n" for id in ids[:7]) + "".join(f"{id},\n" for id in ids[7:])
    )
    said = imported(here, "s.zed.csv", more=["--partial"])
    assert said["sample"]["missing"] == 3
    assert said["all"]["judge_with_people"]["agreement"]["n"] == 7
    assert said["all"]["judge_with_people"]["agreement"]["unscored"] == 3


def test_a_key_that_is_none(here):
    drawn(here)
    (here / "s.zed.csv").write_text("id,verdict\n")
    for text in ("", "[]", '{"audit": 1}', '{"audit": 2}', '{"audit": 1, "items": [1]}'):
        (here / "s.key.json").write_text(text)
        with pytest.raises(DataError, match="key"):
            imported(here, "s.zed.csv")
