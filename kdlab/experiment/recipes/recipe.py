"""A recipe: Config fields that somebody published, each with its source."""

from collections.abc import Callable
from typing import Any


class Recipe(dict[str, Any]):
    """Config fields and their source: `Recipe("RepDistiller", epochs=240, lr=0.05)`.

    `a | b` lays b over a, and every field keeps its source. The stages of a chain (`teacher`, `init`) are recipes
    themselves, or None where there is none.
    """

    def __init__(self, source: str, /, **fields: Any) -> None:
        super().__init__(fields)
        self.sources = dict.fromkeys(fields, source)

    def __or__(self, other: "Recipe") -> "Recipe":  # type: ignore[override]
        both = Recipe("", **{**self, **other})
        both.sources = {**self.sources, **other.sources}
        return both


# A preset takes what its source varies, by keyword: `model`, `teacher` (the teacher's model), `dataset`, `ssl` (the
# method that pre-trains the teacher); what it has no parameter for, it does not depend on
Preset = Callable[..., Recipe]
