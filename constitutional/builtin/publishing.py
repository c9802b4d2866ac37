"""Sending a trained model to a hub: which of its files, and how."""

from __future__ import annotations

import json
from pathlib import Path

from constitutional.api import RunError, UserError
from constitutional.builtin.backends.loading import ADAPTER_CONFIG, inspect_folder, is_folder


def files_to_send(folder: Path, base: str | None = None) -> dict[str, Path | bytes]:
    """The files of a model folder by their names in the repository; contents where they differ from the file.

    `base` is the hub's name of the weights that an adapter belongs to.

    Raises:
        UserError: if the folder holds what may run code, or an adapter of weights that nobody else has.
    """
    inspect_folder(folder)
    found: dict[str, Path | bytes] = {
        path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()
    }
    if ADAPTER_CONFIG in found:
        found[ADAPTER_CONFIG] = _adapter_config(folder / ADAPTER_CONFIG, base)
    elif base is not None:
        raise UserError("`--base` is for adapters, and this is a whole model")
    return found


def _adapter_config(path: Path, base: str | None) -> bytes:
    said = json.loads(path.read_text(encoding="utf-8"))
    named = base or str(said["base_model_name_or_path"])
    if is_folder(named):
        raise UserError(
            f"the adapter belongs to weights in a folder of this machine, {named}",
            help="name them on the hub with `--base OWNER/NAME`, or train with `lora: {merge: true}`",
        )
    said["base_model_name_or_path"] = named
    return (json.dumps(said, indent=2, sort_keys=True) + "\n").encode()


def send(files: dict[str, Path | bytes], repository: str, *, private: bool, message: str) -> str:
    """Make the repository if it is not there, and send all files in one commit; the address of the repository.

    Raises:
        UserError: if the name is none, or there is no right to write there.
        RunError: if the hub could not be reached or refused.
    """
    from httpx import HTTPError
    from huggingface_hub import CommitOperationAdd, HfApi
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, OfflineModeIsEnabled

    hub = HfApi()
    operations = [CommitOperationAdd(name, content) for name, content in files.items()]
    try:
        place = hub.create_repo(repository, private=private, exist_ok=True)
        hub.create_commit(repository, operations, commit_message=message)
    except HFValidationError as error:
        raise UserError(f"{repository!r} is no name of a repository: {error}", help="OWNER/NAME") from error
    except OfflineModeIsEnabled as error:
        raise UserError("HF_HUB_OFFLINE is set, so nothing can be sent") from error
    except HfHubHTTPError as error:
        if error.response is not None and error.response.status_code in (401, 403):
            raise UserError(
                f"the hub does not let you write to {repository}",
                help="`hf auth login`, or HF_TOKEN with the right to write",
            ) from error
        raise RunError(f"the hub refused: {error}", help="nothing of the run is lost; try again") from error
    except HTTPError as error:
        raise RunError(f"the hub cannot be reached: {error}", help="nothing of the run is lost; try again") from error
    return str(place)
