"""The care of a store: what is in it, whether it is whole, and what may go."""

import json
import os
import time

import pytest
from click.testing import CliRunner

from constitutional.cli.cache import cache
from constitutional.engine.run import run
from constitutional.errors import RunLocked
from constitutional.store import care
from constitutional.store.folder import RunFolder, Store
from tests.engine.support import Echo, chain, registry

TEXTS = [f"prompt {n}" for n in range(5)]


@pytest.fixture
def store(tmp_path):
    """A run of five prompts, and the artifacts of an earlier one of four that it no longer names."""
    made = Store(tmp_path / "runs")
    run(chain(TEXTS[:4]), registry(), made, say=lambda said: None)
    run(chain(TEXTS), registry(), made, say=lambda said: None)
    yield made
    made.close()


def call(*words):
    return CliRunner().invoke(cache, list(words), standalone_mode=False, catch_exceptions=False)


def test_show_counts_answers_and_artifacts_and_what_nobody_needs(store):
    said = json.loads(call("show", "--root", str(store.root), "--json").output)
    assert said["answers"] == {"echo": 10}
    assert said["stages"]["generator/answer"]["count"] == 2
    assert said["unneeded"]["count"] == 5  # four finished steps and the work folder of one
    assert "needed by no run" in call("show", "--root", str(store.root)).output


def test_verify_is_content_with_a_sound_store_and_names_what_is_broken(store):
    assert call("verify", "--root", str(store.root)).return_value == 0
    victim = next(kept for kept in care.artifacts(store) if kept.runs and kept.made_by == "critic/complain")
    rows = victim.path / "main" / "rows.parquet"
    rows.write_bytes(rows.read_bytes()[:-3] + b"xyz")
    ended = call("verify", "--root", str(store.root))
    assert ended.return_value == 1
    assert victim.path.name in ended.output


def test_verify_names_a_damaged_journal(store):
    store.close()
    path = store.root / ".store" / "journal.sqlite"
    data = bytearray(path.read_bytes())
    data[4096:8192] = os.urandom(4096)
    path.write_bytes(data)
    ended = call("verify", "--root", str(store.root))
    assert ended.return_value == 1
    assert "journal.sqlite" in ended.output


def test_prune_lists_first_and_takes_only_what_no_run_names(store):
    listed = call("prune", "--root", str(store.root)).output
    assert "would go" in listed
    assert len(list(care.artifacts(store))) == 8
    call("prune", "--root", str(store.root), "--yes")
    assert len(list(care.artifacts(store))) == 4
    Echo.calls.clear()
    assert run(chain(TEXTS), registry(), store, say=lambda said: None).done == 0
    assert Echo.calls == []


def test_answers_stay_so_that_what_was_pruned_costs_no_call(store):
    call("prune", "--root", str(store.root), "--yes")
    Echo.calls.clear()
    assert run(chain(TEXTS[:4]), registry(), store, say=lambda said: None).done == 4
    assert Echo.calls == []


def test_age_and_size_hold_prune_back(store):
    assert care.unneeded(store, older_than=3600) == []
    assert len(care.unneeded(store, most=10**12)) == 0
    assert len(care.unneeded(store, most=0)) == 5
    old = time.time() - 7200
    for kept in care.unneeded(store)[:1]:
        os.utime(kept.path, (old, old))
    assert len(care.unneeded(store, older_than=3600)) == 1


def test_nobody_prunes_under_a_run_and_no_run_starts_under_a_prune(store):
    with RunFolder(store, "other").locked(), pytest.raises(RunLocked, match="under way"):
        call("prune", "--root", str(store.root), "--yes")
    with care.alone(store), pytest.raises(RunLocked, match="pruned"), RunFolder(store, "other").locked():
        raise AssertionError("a run started")


@pytest.mark.parametrize("words", [("--older-than", "soon"), ("--max-size", "big")])
def test_ages_and_sizes_that_are_none_are_said(store, words):
    import click

    with pytest.raises(click.BadParameter):
        call("prune", "--root", str(store.root), *words)
