"""Names of classes that are WordNet ids."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path


def words(table: Path) -> dict[str, str]:
    """WordNet id -> its words, from a file with a line for each; without the file nothing."""
    lines = table.read_text(errors="replace").splitlines() if table.is_file() else []
    return {line.split(None, 1)[0]: line.split(None, 1)[1] for line in lines if len(line.split(None, 1)) == 2}


def class_names(ids: Sequence[str], meaning: Mapping[str, str]) -> tuple[str, ...]:
    """The first word for each class, with its WordNet id where two classes share it; without words the id."""
    first = [meaning.get(wnid, wnid).split(",")[0].strip() for wnid in ids]
    count = Counter(first)
    return tuple(f"{word} ({wnid})" if count[word] > 1 else word for word, wnid in zip(first, ids, strict=True))
