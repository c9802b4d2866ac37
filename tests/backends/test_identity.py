"""What decides the answers of a model in process: content, never the path."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.backends import tiny


def test_identity_is_the_content_and_not_the_path(llama: Path, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(llama, tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "README.md").write_text("a card")
    assert identity(tmp_path / "elsewhere") == identity(llama)


def test_identity_changes_with_weights_template_and_precision(llama: Path, tmp_path: Path) -> None:
    import shutil

    other = tiny.save(tmp_path / "other", seed=1)
    shutil.copytree(llama, tmp_path / "template")
    (tmp_path / "template" / "chat_template.jinja").write_text("{{ messages }}")
    seen = [
        identity(llama),
        identity(other),
        identity(tmp_path / "template"),
        identity(llama, deterministic=True),
        identity(llama, system="be kind"),
    ]
    assert len({str(one) for one in seen}) == len(seen)


def test_identity_does_not_change_with_what_only_changes_the_speed(llama: Path) -> None:
    assert identity(llama) == identity(llama, batch_size=3, max_batch_tokens=99, device="cpu")


def test_an_adapter_has_a_part_in_the_identity(llama: Path, tmp_path: Path) -> None:
    assert identity(llama, adapter=tiny.adapter(llama, tmp_path / "adapter")) != identity(llama)


def identity(folder: Path, **params: Any) -> Any:
    from constitutional.builtin.backends.transformers import TransformersBackend, TransformersParams

    return TransformersBackend(TransformersParams(model=str(folder), **params)).identity()
