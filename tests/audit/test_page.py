"""The page for the browser: what is in it, and what it gives back."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser

import pytest

from constitutional.cli.audit import audit
from tests.audit.support import call, drawn


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.found = []
        self.texts = {}
        self._inside = ""

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        self._inside = tag

    def handle_data(self, data):
        self.texts.setdefault(self._inside, []).append(data)


@pytest.fixture
def page(here):
    drawn(here, "-n", "500", "--html", "s.html")
    return (here / "s.html").read_text()


def test_a_hostile_text_is_no_markup_and_nothing_is_fetched(page):
    tags = Tags()
    tags.feed(page)
    names = [tag for tag, _ in tags.found]
    assert names.count("script") == 2
    assert "img" not in names
    attributes = {name for _, given in tags.found for name in given}
    assert not {name for name in attributes if name.startswith("on")} | (attributes & {"src", "href", "action"})
    policy = next(given["content"] for tag, given in tags.found if "http-equiv" in given)
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy
    assert "http:" not in page
    assert "https:" not in page
    assert "innerHTML" not in page
    data = json.loads(next(text for text in tags.texts["script"] if text.startswith("{")))
    assert any("</script><script>alert(1)</script>" in item["prompt"] for item in data["items"])
    assert any("@DATA@ @POLICY@" in item["prompt"] for item in data["items"])


def test_the_policy_pins_what_is_in_the_page(page):
    import base64
    import hashlib

    for tag in ("script", "style"):
        inside = re.search(f"<{tag}>(.*?)</{tag}>", page, re.DOTALL)[1]
        pinned = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{pinned}'" in page


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_keys_judge_and_the_download_is_what_import_reads(page, here):
    """The page's own script, in node, on a document that has just the elements of the page."""
    script = re.search(r"<script>(.*?)</script>", page, re.DOTALL)[1]
    data = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)[1]
    program = """
      const made = {}, heard = {}, buttons = [];
      function element() { return { textContent: "", value: "", dataset: {}, classList: { toggle() {} }, setAttribute() {},
        addEventListener(what, run) { this["on" + what] = run; }, focus() {}, click() {} }; }
      globalThis.document = {
        getElementById(id) { return made[id] = made[id] || element(); }, querySelectorAll() { return buttons; },
        createElement() { return element(); }, addEventListener(what, run) { heard[what] = run; } };
      globalThis.window = { localStorage: { getItem() { return null; }, setItem() { throw new Error("private"); } } };
      let saved = ""; globalThis.Blob = class { constructor(parts) { saved = parts.join(""); } };
      URL.createObjectURL = function () { return "blob:x"; }; URL.revokeObjectURL = function () {};
      document.getElementById("data").textContent = DATA;
      SCRIPT
      const keys = ["a", "B", "t", "s", "ArrowLeft", "a", "x"];
      for (const key of keys) { heard.keydown({ key: key, target: null }); }
      made.save.onclick(); const unnamed = saved;
      made.who.value = "Ann <b>"; heard.keydown({ key: "a", target: made.who }); made.save.onclick();
      console.log(JSON.stringify({ unnamed: unnamed, saved: saved, left: made.left.textContent, prompt: made.prompt.textContent }));
    """.replace("SCRIPT", script).replace("DATA", json.dumps(data))
    ran = subprocess.run(["node", "-"], input=program, capture_output=True, text=True, check=False, timeout=60)
    assert ran.returncode == 0, ran.stderr
    said = json.loads(ran.stdout)
    assert said["unnamed"] == ""
    lines = [json.loads(line) for line in said["saved"].splitlines()]
    assert [line["verdict"] for line in lines] == ["A", "B", "tie", "A"]
    assert {line["annotator"] for line in lines} == {"Ann <b>"}
    (here / "s.ann.jsonl").write_text(said["saved"])
    out = call(audit, "import", "s.ann.jsonl", "--key", "s.key.json", "-o", "sv.jsonl", "--partial").output
    assert "judged by Ann <b>: 4 verdicts" in out
