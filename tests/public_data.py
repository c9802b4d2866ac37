"""Public data sets, which are not part of the repository: beside the checkout, or where `PUBLIC_DATA` says."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

DATA = Path(os.environ.get("PUBLIC_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data")


def public(name: str) -> pytest.MarkDecorator:
    """Skip a test where a file of the public data is not here."""
    return pytest.mark.skipif(not (DATA / name).is_file(), reason=f"no public data: {name}")
