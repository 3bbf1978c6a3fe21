"""A chapter as its reader has it: opened on a Jupyter server, run, changed, run out of order, restarted."""

import json
import os
import socket
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import Any

import books
import invented
import pytest
import requests
import websocket

PATH = "chapters/triage/method.ipynb"
TOKEN = "opened-by-a-test"
PATIENCE = 600  # seconds for a cell: the first live one trains a parent too

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


def free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The address of a Jupyter server on the project, with records and a set-up of its own."""
    folder = tmp_path_factory.mktemp("jupyter")
    invented.fill(folder / "results", "demo", ("triage",))
    own = {"NETPRESS_RESULTS": "results", "NETPRESS_CACHE": "cache", "IPYTHONDIR": "ipython"}
    own |= {f"JUPYTER_{name}_DIR": name.lower() for name in ("CONFIG", "DATA", "RUNTIME")}
    environment = os.environ | {name: str(folder / place) for name, place in own.items()}
    port = free_port()
    words = [
        sys.executable,
        "-m",
        "jupyter_server",
        "--no-browser",
        "--allow-root",
        f"--ServerApp.root_dir={books.ROOT}",
    ]
    words += [f"--ServerApp.port={port}", f"--IdentityProvider.token={TOKEN}", "--ServerApp.port_retries=0"]
    with (folder / "log").open("w") as log:
        running = subprocess.Popen(words, env=environment | {"NETPRESS_DEVICE": "cpu"}, stdout=log, stderr=log)
    try:
        yield answering(f"127.0.0.1:{port}", running, folder / "log")
    finally:
        running.terminate()
        running.wait(60)


def answering(address: str, running: subprocess.Popen, log: Path) -> str:
    """The server's address, once it answers."""
    for _ in range(600):
        assert running.poll() is None, log.read_text()
        try:
            if asked(address, "api/status").ok:
                return address
        except requests.ConnectionError:
            pass
        time.sleep(0.1)
    pytest.fail(log.read_text())


def asked(address: str, path: str, method: str = "GET", **more: Any) -> requests.Response:
    headers = {"Authorization": f"token {TOKEN}"}
    return requests.request(method, f"http://{address}/{path}", headers=headers, timeout=60, **more)


class Opened:
    """A notebook that is open: its cells by name, and its kernel."""

    def __init__(self, address: str, path: str):
        self.address = address
        content = asked(address, f"api/contents/{path}").json()["content"]
        self.cells = {c["id"]: c["source"] for c in content["cells"] if c["cell_type"] == "code"}
        self.cells["parameters"] = self.cells["parameters"].replace('"small"', '"demo"')
        wanted = {"path": path, "name": "", "type": "notebook", "kernel": {"name": "python3"}}
        self.kernel = asked(address, "api/sessions", "POST", json=wanted).json()["kernel"]["id"]
        self.connect()

    def connect(self) -> None:
        self.session = uuid.uuid4().hex
        place = f"ws://{self.address}/api/kernels/{self.kernel}/channels?session_id={self.session}&token={TOKEN}"
        self.channel = websocket.create_connection(place, timeout=PATIENCE)

    def restart(self) -> None:
        self.channel.close()
        assert asked(self.address, f"api/kernels/{self.kernel}/restart", "POST").ok
        self.connect()

    def run(self, source: str) -> list[dict[str, Any]]:
        """What a cell with this source puts out; progress bars are left out."""
        header = {"msg_id": uuid.uuid4().hex, "msg_type": "execute_request", "session": self.session, "username": "",
                  "version": "5.3", "date": ""}  # fmt: skip
        content = {"code": source, "silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": False,
                   "stop_on_error": True}  # fmt: skip
        self.channel.send(
            json.dumps(
                {"channel": "shell", "header": header, "parent_header": {}, "metadata": {}, "content": content,
                 "buffers": []}
            )
        )  # fmt: skip
        found = []
        while True:
            heard = json.loads(self.channel.recv())
            if heard["parent_header"].get("msg_id") != header["msg_id"] or heard["channel"] != "iopub":
                continue
            if heard["msg_type"] == "status" and heard["content"]["execution_state"] == "idle":
                return found
            if heard["msg_type"] in ("execute_result", "display_data", "error"):
                found.append({"type": heard["msg_type"]} | heard["content"])

    def shown(self, source: str) -> str:
        """The HTML that a cell shows; fails where it raised anything."""
        put_out = self.run(source)
        assert not [each for each in put_out if each["type"] == "error"], put_out
        return "".join(each["data"].get("text/html", "") for each in put_out)

    def run_all(self) -> dict[str, str]:
        return {name: self.shown(source) for name, source in self.cells.items()}


@pytest.fixture
def opened(server):
    notebook = Opened(server, PATH)
    yield notebook
    notebook.channel.close()
    asked(server, f"api/kernels/{notebook.kernel}", "DELETE")


def whole(pages: dict[str, str]) -> None:
    """All that a reader of the chapter should see, under the cells that make it."""
    assert "Made with" in pages["made-with"] and "papermill" in pages["made-with"]
    assert "<svg" in pages["figure-1"] and "<table" in pages["figure-1"] and "<table" in pages["stages"]
    assert "<svg" in pages["compare"] and "retrain: trains=" in pages["compare"]


def test_a_chapter_is_run_changed_out_of_order_and_again(opened):
    whole(opened.run_all())

    changed = opened.cells["compare"].replace('trains=("block2",)', "epochs=2")
    assert changed != opened.cells["compare"]
    text = opened.shown(changed)
    assert "<svg" in text and "retrain: epochs=2" in text and "trains=" not in text

    (said,) = opened.run(changed.replace('"retrain"', '"retrian"'))
    assert said["type"] == "error" and len(said["traceback"]) == 1  # a sentence and no traceback
    assert said["traceback"][0].startswith("netpress: Unknown stage") and "'retrain'" in said["traceback"][0]

    opened.restart()
    (said,) = opened.run(opened.cells["compare"])  # nothing is set up
    assert (said["type"], said["evalue"]) == ("error", "name 'page' is not defined")
    for name in ("parameters", "page", "made-with", "compare", "stages", "page", "figure-1"):
        assert opened.shown(opened.cells[name]) or name in ("parameters", "page"), name

    opened.restart()
    whole(opened.run_all())
