"""The published experiment (Huang et al. 2024), where its data lie beside the checkout."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from constitutional.collective.build import Rules, build
from constitutional.collective.votes import clean, read_export, read_tossed
from constitutional.constitution.read import read_source_text
from constitutional.spec.findings import Findings
from constitutional.spec.text import Source

BESIDE = [at / "shared" / "data" / "ccai" for at in Path(__file__).resolve().parents]
DATA = next((at for at in BESIDE if at.is_dir()), Path("none"))

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="no data beside the checkout")


def made(groups):
    rules = Rules(min_votes=26, threshold=0.723, groups=groups, missing="zero", samples="statements")
    return build(DATA, rules, group_file=DATA / "clean_votes.csv", name="c")


def test_cleaning_leaves_the_published_matrix():
    kept, counted = clean(read_export(DATA), list(read_tossed(DATA)), 26)
    assert (counted.people, counted.tossed, counted.votes) == (1126, 37, 38252)
    assert (counted.people_left, counted.statements_left, counted.votes_left) == (1002, 275, 34563)
    published = np.genfromtxt(DATA / "clean_votes.csv", delimiter=",", skip_header=1, usecols=range(7, 282))
    assert (np.isnan(published) == ~kept.seen).all()
    assert (published[kept.seen] == kept.matrix[kept.seen]).all()


def test_the_published_figures():
    built = made("column")
    assert built.map.variance == pytest.approx((0.0729, 0.0420), abs=5e-5)
    assert np.bincount(built.labels).tolist() == [619, 383]
    assert built.fresh.k == 2
    assert int(built.consensus.passing(0.723).sum()) == 96


def test_the_published_groups_stand_beside_other_rows():
    built = made("realigned")
    assert built.alignment is not None
    assert built.alignment.misaligned
    assert abs(built.alignment.as_written) < 0.01
    assert built.alignment.best == "participants, sorted"
    assert built.alignment.in_order[built.alignment.best] > 0.65
    assert int(built.consensus.passing(0.723).sum()) == 89


def test_the_misalignment_shows_on_every_map():
    for missing in ("zero", "mean"):
        rules = Rules(min_votes=26, groups="realigned", missing=missing)
        built = build(DATA, rules, group_file=DATA / "clean_votes.csv")
        assert built.alignment is not None
        assert built.alignment.misaligned, built.alignment
        assert int(built.consensus.passing(0.723).sum()) == 89


def test_its_constitution_can_be_read():
    from constitutional.collective.principles import to_yaml

    findings = Findings()
    text = to_yaml(made("fresh").constitution)
    read = read_source_text(Source("c.yaml", text, Path()), None, findings)
    assert not findings.diagnostics
    assert read is not None
    assert len(read) == 92
