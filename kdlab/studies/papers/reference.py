"""Published tables of which there is no study: what they print, as lines to read."""

import textwrap

from .published import TABLES, UNITS, published
from .shown import COLUMNS

ABOUT = (
    "dataset",
    "teacher",
    "student",
    "method",
    "condition",
    "value",
    "metric",
    "n",
    "provenance",
    "protocol",
    "source",
)


def reference(name: str) -> str:
    """The numbers of published table `name`, a line each; above them what all of them have in common."""
    rows, about = published(name), TABLES[name]
    given = rows.assign(
        n=rows.n.astype("string").fillna(""),
        value=[f"{v:g}" + (f" ± {s:g}" if s > 0 else "") for v, s in zip(rows.value, rows.spread, strict=True)],
        metric=[", ".join(filter(None, (metric, UNITS[metric]))) for metric in rows.metric],
    )
    shared = {c: given[c].iloc[0] for c in (*ABOUT, "note") if c != "value" and given[c].nunique() == 1}
    lines = [f"{name}: {about.title} ({about.paper})", *([f"note: {about.note}"] if about.note else [])]
    lines += ["; ".join(f"{column}: {text}" for column, text in shared.items() if text)]
    lines += ["printed numbers alone: no study repeats this table"]
    head = [part for line in lines for part in textwrap.wrap(line, COLUMNS, subsequent_indent="  ")]
    columns = [[c, *given[c]] for c in ABOUT if c not in shared]
    padded = [[text.ljust(max(map(len, column))) for text in column] for column in columns]
    notes, body = ["", *(given.note if "note" not in shared else [""] * len(given))], list[str]()
    for words, note in zip(zip(*padded, strict=True), notes, strict=True):
        body += ["  ".join(words).rstrip(), *([f"    note: {note}"] if note else [])]
    return "\n".join([*head, "", *body])
