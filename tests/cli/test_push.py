"""`constitutional push` against a server that speaks the hub's protocol."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.backends import tiny

TOKEN = "hf_secretsecretsecret"


class Hub(ThreadingHTTPServer):
    """Repositories, large files and commits, as the Hugging Face Hub takes them."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Speaks)
        self.made: list[dict[str, Any]] = []
        self.files: dict[str, bytes] = {}
        self.large: dict[str, bytes] = {}
        self.commits: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Speaks(BaseHTTPRequestHandler):
    server: Hub

    def log_message(self, *_: Any) -> None:
        pass

    def answer(self, said: Any, status: int = 200) -> None:
        body = json.dumps(said).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def body(self) -> bytes:
        if self.headers.get("transfer-encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("content-length", 0)))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def do_PUT(self) -> None:
        self.server.large[self.path.rpartition("/")[2]] = self.body()
        self.answer({})

    def do_GET(self) -> None:
        self.answer({"error": "not here"}, 404)

    def do_POST(self) -> None:
        body, hub = self.body(), self.server
        if self.headers.get("authorization") != f"Bearer {TOKEN}":
            return self.answer({"error": "Invalid credentials"}, 401)
        if self.path == "/api/repos/create":
            hub.made.append(json.loads(body))
            return self.answer({"url": f"{hub.url}/{json.loads(body)['organization']}/{json.loads(body)['name']}"})
        if "/preupload/" in self.path:
            modes = [{"path": file["path"], "shouldIgnore": False,
                      "uploadMode": "lfs" if file["path"].endswith(".safetensors") else "regular"}
                     for file in json.loads(body)["files"]]  # fmt: skip
            return self.answer({"files": modes})
        if self.path.endswith("/info/lfs/objects/batch"):
            objects = [{"oid": one["oid"], "size": one["size"], "actions": {"upload": {"href": f"{hub.url}/large/{one['oid']}"}}}
                       for one in json.loads(body)["objects"]]  # fmt: skip
            return self.answer({"transfer": "basic", "objects": objects})
        if "/commit/" not in self.path:  # a look at the card's header
            return self.answer({"warnings": [], "errors": []})
        for line in map(json.loads, body.splitlines()):
            if line["key"] == "header":
                hub.commits.append(line["value"]["summary"])
            elif line["key"] == "file":
                hub.files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
            else:
                hub.files[line["value"]["path"]] = hub.large[line["value"]["oid"]]
        return self.answer({"commitUrl": f"{hub.url}/a/b/commit/1", "commitOid": "1", "pullRequestUrl": None})


@pytest.fixture
def hub() -> Iterator[Hub]:
    with Hub() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that trained a whole model and an adapter on the model at the start."""
    folder = tmp_path_factory.mktemp("project")
    tiny.save(folder / "policy", spread=0.1)
    (folder / "rows.jsonl").write_text(
        "".join(json.dumps({"prompt": f"hi {i}", "completion": "yes"}) + "\n" for i in range(8))
    )
    (folder / "spec.yaml").write_text(f"""\
constitutional: 1
name: small
models:
  agent: {{backend: transformers, model: {folder / "policy"}}}
data:
  rows: {{source: jsonl, path: rows.jsonl, records: demonstrations}}
stages:
  whole: {{trainer: sft, model: agent, demonstrations: rows}}
  low_rank: {{trainer: sft, model: agent, demonstrations: rows, with: {{lora: {{r: 2}}}}}}
""")
    done = call(folder, "run", "spec.yaml", "--plain")
    assert done.returncode == 0, done.stderr + done.stdout
    return folder


def call(folder: Path, *args: str, **environ: str) -> subprocess.CompletedProcess[str]:
    settings = {
        **os.environ,
        "HF_HUB_OFFLINE": "1",
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        **environ,
    }
    return subprocess.run([sys.executable, "-m", "constitutional.cli.main", *args], cwd=folder, env=settings, text=True,
                          capture_output=True, timeout=300)  # fmt: skip


def online(hub: Hub, token: str = TOKEN) -> dict[str, str]:
    return {"HF_ENDPOINT": hub.url, "HF_HUB_OFFLINE": "0", "HF_TOKEN": token, "no_proxy": "127.0.0.1"}


def hidden(made: dict[str, Any]) -> bool:
    """Whether a repository was asked to be private, in the words of older and newer clients."""
    return bool(made.get("private")) or made.get("visibility") == "private"


def test_a_model_arrives_with_its_card_in_a_private_repository(hub: Hub, runs: Path) -> None:
    done = call(runs, "push", "whole", "me/mine", **online(hub))
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == f"{hub.url}/me/mine"
    folder = runs / "runs/small/steps/whole/main"
    assert hub.files == {path.name: path.read_bytes() for path in folder.iterdir()}
    assert "README.md" in hub.files
    assert [hidden(made) for made in hub.made] == [True]
    assert hub.commits == ["small: whole"]
    assert TOKEN not in done.stdout + done.stderr


def test_nothing_is_sent_by_a_dry_run(hub: Hub, runs: Path) -> None:
    done = call(runs, "push", "whole", "me/mine", "--dry-run", **online(hub))
    assert "nothing was sent" in done.stdout
    assert "me/mine, which is made private" in done.stdout
    assert done.returncode == 0
    assert "model.safetensors" in done.stdout
    assert (hub.files, hub.made) == ({}, [])


def test_an_adapter_of_weights_that_only_this_machine_has_is_not_sent_without_their_name(hub: Hub, runs: Path) -> None:
    refused = call(runs, "push", "low_rank", "me/mine", **online(hub))
    assert refused.returncode == 2
    assert "--base OWNER/NAME" in refused.stderr
    assert hub.files == {}
    done = call(runs, "push", "low_rank", "me/mine", "--base", "someone/base", "--public", **online(hub))
    assert done.returncode == 0, done.stderr
    assert json.loads(hub.files["adapter_config.json"])["base_model_name_or_path"] == "someone/base"
    assert not any(str(runs).encode() in content for content in hub.files.values())
    assert [hidden(made) for made in hub.made] == [False]


@pytest.mark.parametrize(("args", "environ", "code", "said"), [
    (("who", "me/mine"), {}, 2, "did you mean 'whole'?"),
    (("whole", "me mine"), {}, 2, "no name of a repository"),
    (("whole", "me/mine"), {"HF_TOKEN": "hf_wrong"}, 2, "hf auth login"),
    (("whole", "me/mine"), {"HF_HUB_OFFLINE": "1"}, 2, "HF_HUB_OFFLINE"),
    (("whole", "me/mine"), {"HF_ENDPOINT": "http://127.0.0.1:9"}, 1, "cannot be reached"),
    (("whole", "me/mine", "--base", "a/b"), {}, 2, "whole model"),
], ids=["no step", "no name", "no right", "offline", "no hub", "no adapter"])  # fmt: skip
def test_what_goes_wrong_is_said(
    hub: Hub, runs: Path, args: tuple[str, ...], environ: dict[str, str], code: int, said: str
) -> None:
    done = call(runs, "push", *args, **{**online(hub), **environ})
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert hub.files == {}


def test_a_folder_that_may_run_code_is_not_sent(hub: Hub, runs: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(runs, copy, symlinks=True)
    real = (copy / "runs/small/steps/whole").resolve() / "main"
    assert copy in real.parents
    (real / "modeling.py").write_text("print('hi')")
    done = call(copy, "push", "whole", "me/mine", **online(hub))
    assert done.returncode == 2
    assert "may run code" in done.stderr
    assert hub.files == {}
