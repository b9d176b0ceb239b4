"""JupyterLab, Voilà and a browser for tests: start them, open a notebook, run it, find its explorers."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import nbformat
from cells import needed
from moving import EXPLORER, MOVE_SECONDS, PANEL, START_SECONDS, Explorer, Panel, until

from kdlab.cli import notebooks

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"))), None
)
TOKEN = "test"
RUN_SECONDS = 600  # a limit for busy cores, far above what is usual
HARMLESS = {  # what browsers and JupyterLab log as errors although nothing is wrong
    "favicon.ico": "every browser asks for this icon, and Voilà has none",
    "fontawesome-free": "Voilà asks a network for icons that explorers do not have; tests need no network",
}
CALL = re.compile(r"(?m)^[^#\n]*\bwidgets\.[a-z]\w*\(")
SHOWS = re.compile(r"^(?:kdlab\.)?widgets\.[a-z]\w*\(")  # where the last line of a cell is such a call
ERRORS = "[data-mime-type='application/vnd.jupyter.stderr']"  # a traceback too is shown so; notebooks warn of nothing
# Whether every cell has run or one has failed; never on pages that show no cells
DONE = f"""() => {{
    const prompts = [...document.querySelectorAll(".jp-NotebookPanel .jp-CodeCell .jp-InputPrompt")];
    return document.querySelector("{ERRORS}") || prompts.length && prompts.every(p => /\\d/.test(p.textContent));
}}"""
SHOWN = "image => image.complete && image.naturalWidth > 0"


def with_explorers():
    """The notebooks that show explorers."""
    return [path for path in notebooks.find(None) if any(CALL.search(cell.source) for cell in code(path))]


def code(path):
    """The code cells of a notebook."""
    return [cell for cell in nbformat.read(path, 4).cells if cell.cell_type == "code"]


def write(path, *sources):
    """A notebook of code cells; the first is its parameters cell."""
    cells = [nbformat.v4.new_code_cell(source, id=f"cell-{i}") for i, source in enumerate(sources)]
    cells[0].metadata["tags"] = ["parameters"]
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=notebooks.METADATA), path)
    return path


def copy(path, folder):
    """A copy that has never been run, with the smallest budget that it knows, and of its code what explorers need."""
    notebook = nbformat.read(path, 4)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    sources = [cell.source for cell in cells]
    kept = needed(sources, [i for i, source in enumerate(sources) if i == 0 or CALL.search(source)])
    without = [cell for i, cell in enumerate(cells) if i not in kept]
    notebook.cells = [cell for cell in notebook.cells if cell not in without]
    for cell in cells:
        cell.outputs, cell.execution_count = [], None
        if "parameters" in cell.metadata.get("tags", ()):
            cell.source = re.sub(r'(?m)^budget: str = "\w+"', 'budget: str = "smoke"', cell.source)
    nbformat.write(notebook, folder / path.name)
    return folder / path.name


@contextmanager
def serve(directory, *command):
    """A server of Jupyter with nothing of the user's settings, its log in `place`; gives its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folders = {f"JUPYTER_{name}_DIR": str(directory / name.lower()) for name in ("CONFIG", "DATA", "RUNTIME")}
    folders |= {f"JUPYTERLAB_{name}_DIR": str(directory / name.lower()) for name in ("SETTINGS", "WORKSPACES")}
    folders |= {f"KDLAB_{name}": str(directory / name.lower()) for name in ("RUNS", "FIGURES")} | {"KDLAB_WIDGETS": "1"}
    quiet = directory / "settings" / "@jupyterlab" / "apputils-extension" / "notification.jupyterlab-settings"
    quiet.parent.mkdir(parents=True)
    quiet.write_text(json.dumps({"fetchNews": "false", "checkForUpdates": False}))  # else a pop-up asks about news
    log = directory / "server.log"
    with log.open("w") as output:
        server = subprocess.Popen(
            [sys.executable, "-m", *command, f"--port={port}"],
            cwd=directory,
            env={**os.environ, **folders},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            address, last = f"http://127.0.0.1:{port}", time.monotonic() + START_SECONDS
            while not answers(address):
                assert server.poll() is None and time.monotonic() < last, f"no server:\n{log.read_text()[-3000:]}"
                time.sleep(0.1)
            yield address
        finally:
            server.terminate()
            server.wait(30)


def answers(address):
    """Whether somebody listens there."""
    with socket.socket() as probe:
        host, _, port = address.removeprefix("http://").partition(":")
        return probe.connect_ex((host, int(port))) == 0


def jupyterlab(directory, folder):
    """JupyterLab on the notebooks of a folder."""
    return serve(
        directory,
        "jupyterlab",
        "--no-browser",
        "--ip=127.0.0.1",
        "--allow-root",
        "--ServerApp.port_retries=0",
        f"--ServerApp.root_dir={folder}",
        f"--IdentityProvider.token={TOKEN}",
        "--LabApp.news_url=None",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        "--LabApp.expose_app_in_browser=True",
    )


def voila(directory, notebook):
    """A notebook as a page without code."""
    return serve(directory, "voila", str(notebook), "--no-browser", "--Voila.ip=127.0.0.1", "--Voila.port_retries=0")


def stop_kernels(address, *names):
    """End what these notebooks, else all, have left running in JupyterLab."""
    allowed = {"Authorization": f"token {TOKEN}"}
    with urllib.request.urlopen(urllib.request.Request(f"{address}/api/sessions", headers=allowed)) as reply:
        sessions = [s["id"] for s in json.load(reply) if not names or s["path"] in names]
    for session in sessions:
        urllib.request.urlopen(
            urllib.request.Request(f"{address}/api/sessions/{session}", headers=allowed, method="DELETE")
        )


@contextmanager
def chromium(profile):
    """The browser, with a profile of its own and silent about everything that is not the page."""
    from playwright.sync_api import sync_playwright

    quiet = ["--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update"]
    with sync_playwright() as driver:
        browser = driver.chromium.launch_persistent_context(
            str(profile),
            executable_path=CHROMIUM,
            headless=True,
            viewport={"width": 1400, "height": 1000},
            args=["--no-sandbox", "--disable-dev-shm-usage", *quiet],  # the pages are ours, and containers have neither
        )
        try:
            yield browser
        finally:
            browser.close()


class Page:
    """A page with explorers, and what went wrong on it."""

    def __init__(self, browser, address):
        self.page, self.complaints = browser.new_page(), []
        self.page.on("pageerror", lambda error: self.complaints.append(f"page: {error}"))
        self.page.on("console", self.hear)
        self.opened = time.monotonic()
        self.page.goto(address)

    def hear(self, message):
        """Keep an error of the console, unless it is known to mean nothing."""
        text = f"{message.text} ({message.location.get('url', '')})"
        if message.type == "error" and not any(known in text for known in HARMLESS):
            self.complaints.append(f"console: {text}")

    def first_picture(self):
        """Wait for an explorer's picture, and give the seconds from opening the page to that."""
        shown = self.page.locator(f"{EXPLORER}, {PANEL}")
        until(self.page, f"() => document.querySelector('{EXPLORER}, {PANEL}') || ({DONE})()", RUN_SECONDS)
        assert not (failures := self.failures()), failures
        shown.first.wait_for(timeout=1000 * MOVE_SECONDS)
        first = shown.first.locator("> img")
        until(self.page, SHOWN, START_SECONDS, first.element_handle())
        return time.monotonic() - self.opened

    def failures(self):
        """What cells show of errors and warnings."""
        return self.page.locator(ERRORS).all_inner_texts()

    def explorers(self):
        """All explorers that are there, in order."""
        return [Explorer(root) for root in self.page.locator(EXPLORER).all()]

    def panels(self):
        """All panels that train."""
        return [Panel(root) for root in self.page.locator(PANEL).all()]

    def shoot(self, folder, name):
        """Screenshots of every explorer with what is around it, at the width of a laptop and of half a screen."""
        for width in (1400, 900):
            self.page.set_viewport_size({"width": width, "height": 1400})
            self.page.wait_for_timeout(500)  # JupyterLab lays its panels out anew
            for i, root in enumerate(self.page.locator(f"{EXPLORER}, {PANEL}").all()):
                root.evaluate("e => e.scrollIntoView({block: 'center'})")
                self.page.wait_for_timeout(300)
                self.page.screenshot(path=Path(folder, f"{name}-{i}-{width}.png"))


class Lab(Page):
    """A notebook in JupyterLab."""

    def __init__(self, browser, address, name):
        super().__init__(browser, f"{address}/lab/tree/{name}?token={TOKEN}&reset")
        self.ready()

    def instead(self, name):
        """Open another notebook in the place of this one, on the same page; nothing is saved."""
        self.complaints.clear()
        self.page.evaluate("() => [...jupyterapp.shell.widgets('main')].forEach(tab => tab.dispose())")
        self.opened = time.monotonic()
        self.page.evaluate("path => jupyterapp.commands.execute('docmanager:open', {path})", name)
        self.ready()
        return self

    def ready(self):
        """Until the notebook is there, and its kernel."""
        self.panel = self.page.locator(".jp-NotebookPanel:not(.lm-mod-hidden)")
        # sometimes it asks for the kernel although the notebook names one
        dialog = self.page.locator(".jp-Dialog")
        self.page.remove_locator_handler(dialog)
        self.page.add_locator_handler(dialog, self.page.locator(".jp-Dialog button.jp-mod-accept").click)
        self.cells = self.panel.locator(".jp-CodeCell")
        self.cells.first.wait_for(timeout=1000 * START_SECONDS)
        # nothing runs before the kernel is there, and only the status bar says so
        self.page.get_by_text(re.compile(r"Python 3.*\| Idle")).first.wait_for(timeout=1000 * START_SECONDS)

    def reload(self):
        """Save the notebook and load the page anew; its kernel goes on."""
        self.page.keyboard.press("Control+s")
        self.page.wait_for_timeout(1000)
        self.page.reload()
        self.ready()
        self.first_picture()

    def run_all(self):
        """Run > Run All Cells, without waiting."""
        self.page.get_by_role("menuitem", name="Run", exact=True).click()
        self.page.get_by_text("Run All Cells", exact=True).click()

    def run(self, cell):
        """Run one cell again and wait for it."""
        prompt = self.cells.nth(cell).locator(".jp-InputPrompt")
        before = prompt.inner_text()
        self.cells.nth(cell).locator(".cm-content").click()
        self.page.keyboard.press("Control+Enter")
        again = "([prompt, old]) => /\\d/.test(prompt.textContent) && prompt.textContent.trim() !== old.trim()"
        until(self.page, again, RUN_SECONDS, [prompt.element_handle(), before])

    def wait(self):
        """Until every cell has run or one has failed."""
        until(self.page, DONE, RUN_SECONDS)

    def running(self):
        """How many cells run or wait to be run."""
        return self.panel.locator(".jp-InputPrompt", has_text="*").count()
