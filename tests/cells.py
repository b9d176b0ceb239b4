"""Cells of notebooks: a shell to run them in this process, and what each of them reads and sets.

A shell takes no four seconds to start, as a kernel does.
"""

import ast
import symtable

from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config


def new_shell():
    """A shell with nothing in it; what it runs is written into no history on the disk."""
    InteractiveShell.clear_instance()
    return InteractiveShell.instance(config=Config({"HistoryManager": {"enabled": False}}))


def names(source):
    """Names that a cell reads from other cells, and those that it sets."""
    reads, sets = set(), set()
    for statement in ast.parse(source).body:
        loaded, stored, own = set(), set(), isinstance(statement, ast.For | ast.With | ast.FunctionDef | ast.ClassDef)

        def walk(table, top, loaded=loaded, stored=stored):
            for symbol in table.get_symbols():
                if symbol.is_referenced() and (top or symbol.is_global()):
                    loaded.add(symbol.get_name())
                if top and (symbol.is_assigned() or symbol.is_imported()):
                    stored.add(symbol.get_name())
            for child in table.get_children():
                walk(child, False)

        walk(symtable.symtable(ast.unparse(statement), "cell", "exec"), True)
        reads |= loaded - sets - (stored if own else set())
        sets |= stored
    return reads, sets


def needed(sources, wanted):
    """Positions of the cells that those at `wanted` stand on, with these: what sets a name that a later one reads."""
    kept, read = [], set()
    for position in reversed(range(len(sources))):
        reads, sets = names(sources[position])
        if position in wanted or sets & read:
            kept.append(position)
            read |= reads
    return kept[::-1]
