"""Keys for controls: what is pressed on an explorer's control is none of the notebook's shortcuts."""

from pathlib import Path

import anywidget

ROOT = "kdlab-explorer"  # the class of what keys are kept within, and styles


class Keys(anywidget.AnyWidget):
    """Nothing to be seen: a child of an explorer that keeps its keys, and brings the styles of its controls."""

    _esm = Path(__file__).with_name("keys.js")
    _css = Path(__file__).with_name("explorer.css")

    def __init__(self) -> None:
        super().__init__()
        self.add_class("kdlab-keys")
