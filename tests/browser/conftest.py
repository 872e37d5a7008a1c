"""One Jupyter server and one Chromium for the browser tests; they are skipped, with the reason, where either is missing.

JupyterLab, Notebook 7 and Voila are served by the same server. The browser resolves no name but those of this machine,
so whatever asks a CDN fails its test. With ``GREENKIT_SHOTS=folder`` the tests write the README's pictures there.
"""

import contextlib
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

pytest.register_assert_rewrite("tests.browser.person", "browser.person")
from .person import Front  # noqa: E402 rewritten first

ROOT = Path(__file__).parents[2]
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "msedge")
OFFLINE = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost"
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
         "--disable-background-networking", "--disable-component-update", OFFLINE)  # fmt: skip
# Whatever a user's own Jupyter has in these places is neither read nor changed.
PLACES = {"HOME": "", "IPYTHONDIR": "ipython", "JUPYTER_CONFIG_DIR": "config", "JUPYTER_DATA_DIR": "data",
          "JUPYTER_RUNTIME_DIR": "runtime", "JUPYTERLAB_SETTINGS_DIR": "settings",
          "JUPYTERLAB_WORKSPACES_DIR": "workspaces", "XDG_CONFIG_HOME": "xdg-config", "XDG_DATA_HOME": "xdg-data"}  # fmt: skip
SETTINGS = {
    "@jupyterlab/apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    "@jupyter-widgets/jupyterlab-manager/plugin": {"saveState": True},
    "@jupyterlab/apputils-extension/themes": {"theme": "JupyterLab Light"},
}


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """A Jupyter server: its address, its token, and the folder that it serves, with the notebooks in it."""
    for module in ("jupyterlab", "notebook", "voila"):
        pytest.importorskip(module, reason=f'{module} is not installed: pip install -e ".[test,browser]"')
    home = tmp_path_factory.mktemp("jupyter")
    for name, settings in SETTINGS.items():
        path = home / "settings" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(settings))
    work = shutil.copytree(ROOT / "notebooks", home / "work")
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
    token, address = secrets.token_hex(16), f"http://127.0.0.1:{port}"
    env = {**os.environ, **{name: str(home / place) for name, place in PLACES.items()}}
    env["PYTHONPATH"] = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    command = [
        sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ServerApp.ip=127.0.0.1",
        f"--ServerApp.port={port}", "--ServerApp.port_retries=0", f"--IdentityProvider.token={token}",
        f"--ServerApp.root_dir={work}", "--LabApp.extension_manager=readonly", "--ServerApp.terminals_enabled=False",
        "--LabApp.expose_app_in_browser=True", "--JupyterNotebookApp.expose_app_in_browser=True",
        "--ServerApp.jpserver_extensions={'notebook': True, 'voila.server_extension': True}",
    ]  # fmt: skip
    with (home / "server.log").open("w") as log:
        process = subprocess.Popen(command, env=env, stdout=log, stderr=subprocess.STDOUT)
        try:
            _answers(process, f"{address}/api", home / "server.log")
            yield address, token, Path(work)
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _answers(process, url, log, seconds=180):
    end = time.monotonic() + seconds
    while True:
        assert process.poll() is None, log.read_text()
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=2):
            return
        assert time.monotonic() < end, f"Jupyter did not answer: {log.read_text()}"
        time.sleep(0.2)


@pytest.fixture(scope="session")
def chromium(tmp_path_factory):
    """A Chromium with a profile of its own."""
    api = pytest.importorskip("playwright.sync_api", reason='pip install -e ".[test,browser]"')
    program = os.environ.get("GREENKIT_CHROME") or next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        pytest.skip("there is no Chromium or Chrome: install one, or name it in GREENKIT_CHROME")
    with api.sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            str(tmp_path_factory.mktemp("profile")), executable_path=program, headless=True, args=list(FLAGS),
            viewport={"width": 1200, "height": 1300},
        )  # fmt: skip
        # generous, because a loaded machine is slow; a test that passes does not wait for them
        context.set_default_timeout(90_000)
        context.set_default_navigation_timeout(180_000)
        api.expect.set_options(timeout=90_000)
        yield context
        context.close()


@pytest.fixture
def front(server, chromium, tmp_path_factory, request):
    """A page of the browser, to open notebooks in; nothing may fail on it unseen."""
    made = Front(chromium.new_page(), *server)
    try:
        yield made
    finally:
        with contextlib.suppress(Exception):  # the page may be broken, and this picture is for whoever looks why
            made.page.screenshot(path=tmp_path_factory.getbasetemp() / f"{request.node.name}.png")
        made.close()
    assert not made.problems


@pytest.fixture
def shot(tmp_path_factory):
    """Take a picture of an element, for the README where that is asked for."""
    folder = Path(os.environ.get("GREENKIT_SHOTS") or tmp_path_factory.mktemp("shots"))
    folder.mkdir(parents=True, exist_ok=True)

    def take(element, name):
        path = folder / f"{name}.png"
        element.page.mouse.move(0, 0)  # what the pointer lies on shows buttons of its own
        element.screenshot(path=path)
        assert 5_000 < path.stat().st_size < 300_000, "an empty picture, or one too big for the README"

    return take
