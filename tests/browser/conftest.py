"""A headless Chromium and a JupyterLab on copies of the notebooks, both closed at the end.

Run by `make test-browser` alone. Chromium is Debian's, or what CHROMIUM names, a path or a command; without one
every test fails in a line.
"""

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.request import ProxyHandler, Request, build_opener

import nbformat
import pytest
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
PATIENCE = 300  # seconds for JupyterLab to start and for a browser to do what it is asked, however busy the machine is
ask = build_opener(ProxyHandler({})).open  # JupyterLab here, whatever proxy the surroundings name
SETTINGS = {
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},  # they ask the network
    "notebook-extension/tracker": {"windowingMode": "none"},  # every cell is in the page, also out of sight
}


@pytest.fixture(scope="session")
def browser():
    path = shutil.which(os.environ.get("CHROMIUM") or "chromium")
    if not path:
        pytest.fail("no browser: apt install chromium, or CHROMIUM=/path/to/chromium", pytrace=False)
    with sync_playwright() as playwright:
        switches = ["--no-sandbox", "--disable-background-networking", "--disable-gpu"]
        browser = playwright.chromium.launch(executable_path=path, args=switches)
        yield browser
        browser.close()


@pytest.fixture
def tab(browser):
    """Opens pages that note what a browser reports as wrong; `tab.wrong` must be empty at the end."""
    with Tab(browser) as tab:
        yield tab
    assert tab.wrong == []


class Tab:
    """One page; offline, it may read files and nothing else."""

    def __init__(self, browser):
        self.browser, self.wrong = browser, []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for context in self.browser.contexts:
            context.close()

    def open(self, url, offline=False):
        context = self.browser.new_context(offline=offline, viewport={"width": 1280, "height": 1000})
        context.set_default_timeout(PATIENCE * 1000)
        page = context.new_page()
        page.on("console", lambda message: self._note(message.type == "error", f"console: {message.text}"))
        page.on("pageerror", lambda error: self._note(True, f"script: {error}"))
        page.on("requestfailed", lambda request: self._note(offline, f"not found: {request.url:.200}"))
        page.on("request", lambda request: self._note(offline and not _local(request.url), f"asked {request.url:.200}"))
        page.goto(url)
        return page

    def _note(self, is_wrong, what):
        if is_wrong:
            self.wrong.append(what)


def _local(url):
    return url.startswith(("file:", "data:", "blob:"))


@pytest.fixture(scope="session")
def lab_folder(tmp_path_factory):
    return tmp_path_factory.mktemp("lab")


@pytest.fixture(scope="session")
def lab(lab_folder):
    """The address of a notebook in a running JupyterLab, by name; its copies have no outputs of their own.

    Each notebook has a workspace of its own: in a shared one JupyterLab opens the notebook of the test before again.
    """
    folder = lab_folder
    for path in NOTEBOOKS:
        _copy_without_outputs(path, folder / "notebooks" / path.name)
    for name, values in SETTINGS.items():
        settings = folder / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        settings.parent.mkdir(parents=True, exist_ok=True)
        settings.write_text(json.dumps(values))
    token, port = secrets.token_hex(8), _free_port()
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(_command(token, port), cwd=folder, env=_surroundings(folder), stdout=log, stderr=log)
    try:
        _wait(server, f"http://127.0.0.1:{port}/api/status?token={token}", folder / "log")
        yield lambda name: f"http://127.0.0.1:{port}/lab/workspaces/{name}/tree/notebooks/{name}.ipynb?token={token}"
    finally:
        server.terminate()  # it ends its kernels
        server.wait(60)


@pytest.fixture
def kernels_ended(lab):
    """After a test its kernels are ended: each keeps half a gigabyte."""
    yield
    address = lab("x").split("/lab/")[0], lab("x").split("token=")[1]
    for kernel in json.load(ask(f"{address[0]}/api/kernels?token={address[1]}")):
        end = Request(f"{address[0]}/api/kernels/{kernel['id']}", method="DELETE")
        end.add_header("Authorization", f"token {address[1]}")
        ask(end)


def _copy_without_outputs(path, copy):
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    copy.parent.mkdir(exist_ok=True)
    nbformat.write(notebook, copy)


def _command(token, port):
    server = {"ip": "127.0.0.1", "port": port, "port_retries": 0, "open_browser": False, "allow_root": True}
    options = [f"--ServerApp.{name}={value}" for name, value in server.items()]
    return [sys.executable, "-m", "jupyterlab", *options, f"--IdentityProvider.token={token}"]


def _surroundings(folder):
    """JupyterLab as newly installed, whatever this user has set; one thread, as in the other tests: two wait for
    each other on a busy machine.
    """
    own = {name: str(folder / name) for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR")}
    own |= {"IPYTHONDIR": str(folder / "ipython"), "JUPYTERLAB_WORKSPACES_DIR": str(folder / "workspaces")}
    return os.environ | own | {"JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"), "OMP_NUM_THREADS": "1"}


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _wait(server, address, log):
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and server.poll() is None:
        try:
            return ask(address, timeout=5).close()
        except OSError:
            time.sleep(0.5)
    pytest.fail(f"JupyterLab did not start in {PATIENCE} s: {log.read_text()[-2000:]}", pytrace=False)
