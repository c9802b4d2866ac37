"""A server to start as a process: `python fake_engine.py PORT MODEL [--die-after N] [--slow S] [--never] [--tell FILE]`."""

import argparse
import http.server
import json
import os
import sys
import threading
import time
from pathlib import Path

parser = argparse.ArgumentParser()
parser.add_argument("port", type=int)
parser.add_argument("model")
parser.add_argument("--die-after", type=int, default=0)
parser.add_argument("--slow", type=float, default=0.0)
parser.add_argument("--never", action="store_true")
parser.add_argument("--tell", default="")
options = parser.parse_args()
answered = 0


def tell(word: str) -> None:
    if options.tell:
        with Path(options.tell).open("a") as file:
            file.write(f"{word} {os.getpid()} {options.model} {time.monotonic()}\n")


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: object) -> None:
        return

    def do_GET(self) -> None:
        self.say({"data": []})

    def do_POST(self) -> None:
        global answered
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        answered += 1
        if options.die_after and answered > options.die_after and not Path(options.tell + ".died").exists():
            Path(options.tell + ".died").touch()
            print("I die on purpose", flush=True)
            os._exit(3)
        said = f"{Path(options.model).name} on {body['messages'][-1]['content']}"
        self.say({"choices": [{"message": {"content": said}, "finish_reason": "stop"}]})

    def say(self, value: object) -> None:
        data = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


if options.never:
    print("I will never be ready", flush=True)
    time.sleep(60)
    sys.exit(1)
time.sleep(options.slow)
tell("up")
server = http.server.ThreadingHTTPServer(("127.0.0.1", options.port), Handler)
thread = threading.Thread(target=server.serve_forever)
thread.start()
thread.join()
