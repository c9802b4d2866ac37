"""Models that come in the box: small teaching models, so that a first run needs no account and no download."""

from __future__ import annotations

from pathlib import Path

from constitutional.errors import UserError
from constitutional.suggest import nearest

_HERE = Path(__file__).parent


def names() -> list[str]:
    """Names of the models in the box, as written after `builtin:`."""
    return sorted(path.parent.name.replace("_", "-") for path in _HERE.glob("*/config.json"))


def path(name: str) -> Path:
    """The folder of an embedded model.

    Raises:
        UserError: if there is none of that name.
    """
    folder = _HERE / name.replace("-", "_")
    if not (folder / "config.json").is_file():
        guess = nearest(name, names())
        hint = f"did you mean builtin:{guess}?" if guess else f"there are: {', '.join(names())}"
        raise UserError(f"there is no model builtin:{name}", help=hint)
    return folder
