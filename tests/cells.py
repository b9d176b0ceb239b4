"""Cells of notebooks, run in this process: an IPython shell takes no four seconds to start, as a kernel does."""

from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config


def new_shell():
    """A shell with nothing in it; what it runs is written into no history on the disk."""
    InteractiveShell.clear_instance()
    return InteractiveShell.instance(config=Config({"HistoryManager": {"enabled": False}}))
