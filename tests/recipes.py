"""The recipes of CONTRIBUTING.md, read from the page."""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]


def blocks(name):
    """Heading -> text of a page."""
    parts = re.split(r"^## (.+)$", (ROOT / name).read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def python(text):
    """The Python code of a text."""
    return "\n".join(re.findall(r"```python\n(.*?)```", text, re.DOTALL))


@dataclass(frozen=True)
class Recipe:
    """What a recipe says: its cell, the files and lines of the package, the commands, the tests that guard it."""

    code: str
    steps: list[tuple[str, str]]
    commands: list[str]
    guards: list[str]

    @property
    def key(self):
        """The name of what it adds."""
        return Path(self.steps[0][0]).stem

    def in_package(self):
        """The cell as a file: with a docstring, without the import of the table and the line that adds to it."""
        lines = [
            line for line in self.code.rstrip().splitlines() if not re.fullmatch(r"from \S+ import ([A-Z]+|app)", line)
        ]
        adds = not lines[-1].startswith(" ")
        return "\n".join(['"""An example."""', "", *lines[: -1 if adds else None]]) + "\n"

    def cells(self):
        """(tag, source) of each cell, where the code has several, divided by `# %% TAG`."""
        return re.findall(r"^# %% (\S+)\n(.*?)(?=^# %%|\Z)", self.code, re.DOTALL | re.MULTILINE)


def recipe_of(text):
    listed = re.findall(r"^- `([^`]+)`(?:: (.+))?$", text, re.MULTILINE)
    guards = text.partition("*Guards*: ")[2].partition("\n\n")[0]
    return Recipe(
        code=python(text),
        steps=[(path, lines) for path, lines in listed if lines],
        commands=[command for command, lines in listed if not lines],
        guards=re.findall(r"`(tests/\S+\.py)`", guards),
    )


RECIPES = {title: recipe_of(text) for title, text in blocks("CONTRIBUTING.md").items() if python(text)}
