"""A run to draw from."""

from __future__ import annotations

import pytest

from constitutional.cli.run import run
from tests.audit.support import call, project


@pytest.fixture(scope="session")
def done(tmp_path_factory):
    """A folder with a run."""
    folder = tmp_path_factory.mktemp("audit")
    spec = project(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        call(run, spec, "--plain")
    return folder


@pytest.fixture
def here(done, monkeypatch):
    """Inside it, with nothing of an earlier audit there."""
    monkeypatch.chdir(done)
    for path in done.glob("s*"):
        if path.name != "spec.yaml":
            path.unlink()
    return done
