"""What papers and the README files of their code publish: one number a row, and what is known of how it came about."""

from functools import cache
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from ...core.errors import Error, known


class Table(NamedTuple):
    """A published table: what it holds, where it stands, and what a reader should know before comparing with it."""

    title: str
    paper: str
    note: str = ""


ALONE = "feature methods were apparently run together with KD there; here each runs as its own paper has it, without"
LITENET, SCHEDULED, LSSKD = "LiteNet-SSD, ICCEIC 2025", "SS-KD, preprint 2025", "LSSKD, preprint 2025"
SSKD, CRD, HSAKD = "SSKD, Xu et al., ECCV 2020", "CRD, Tian et al., ICLR 2020", "HSAKD, Yang et al., IJCAI 2021"
ONLINE = "HSSAKD, Yang et al., TNNLS 2022"

TABLES: dict[str, Table] = {
    "litenet-ssd/main": Table("A ResNet-18 teaches LiteNet-DSC", f"{LITENET}, abstract"),
    "ss-kd/2500": Table("STL-10 with 2500 labels", f"{SCHEDULED}, abstract"),
    "ss-kd/5000": Table("STL-10 with 5000 labels", f"{SCHEDULED}, abstract"),
    "lsskd/table-1": Table(
        "ImageNet",
        f"{LSSKD}, table I",
        "all but MOKD and LSSKD is HSAKD's table 2, and not run again; "
        "the text's gains of 0.32 and 0.33 do not follow: it gives 0.29 over HSAKD and 0.15 over MOKD",
    ),
    "lsskd/table-2": Table(
        "CIFAR-100, pairs of networks",
        f"{LSSKD}, table II",
        "from the baseline to SSKD it is hsakd/table-1, whose own two rows are left out; LSSKD itself has no teacher; "
        f"{ALONE}; the text's gain of 1.14 over SSKD does not follow: it gives 1.35",
    ),
    "lsskd/table-3": Table(
        "CIFAR-100, self-distillation",
        f"{LSSKD}, table III",
        "its baselines have three recipes, and the text speaks of ResNet-34 and ResNet-18; what is copied from PS-KD "
        "is of a pre-activation ResNet-18, which is not the network run here; the text's gains of 4.54 and 4.56 over "
        "PS-KD do not follow: it gives 3.24",
    ),
    "lsskd/table-4": Table(
        "CIFAR-100, LSSKD and labels only",
        f"{LSSKD}, table IV",
        "two pairs of rows seem to be exchanged, WRN-16-2 with ResNet-18 and WRN-40-2 with ResNet-50",
    ),
    "lsskd/averages": Table("Gains that the text states", f"{LSSKD}, abstract and sections I and IV"),
    "lsskd/coc": Table("What Cutout and CutMix add", f"{LSSKD}, section IV-D"),
    "sskd/similar": Table(
        "CIFAR-100, similar networks",
        f"{SSKD}, README",
        f"its KD row is CRD's, under other teachers and baselines; {ALONE}",
    ),
    "sskd/cross": Table(
        "CIFAR-100, different networks",
        f"{SSKD}, README",
        f"its KD row is CRD's, under other teachers and baselines; {ALONE}",
    ),
    "sskd/imagenet": Table("ImageNet", SSKD),
    "sskd/averages": Table("The gain that the abstract states", f"{SSKD}, abstract"),
    "crd/similar": Table(
        "CIFAR-100, similar networks", f"{CRD}, table 1", "methods on features are trained without KD beside them"
    ),
    "crd/cross": Table(
        "CIFAR-100, different networks", f"{CRD}, table 2", "methods on features are trained without KD beside them"
    ),
    "crd/re-runs": Table("CIFAR-100, values of CRD's tables as others found them", "issue of 2025, and SKD, 2026"),
    "hsakd/table-1": Table(
        "CIFAR-100, pairs of networks",
        f"{HSAKD}, table 1; teachers: README",
        "its MobileNetV2 sees maps twice as wide and high as CRD's and SSKD's; students see four turned copies",
    ),
    "hsakd/few-shot": Table("CIFAR-100 with some of the labels", f"{HSAKD}, README"),
    "hsakd/online": Table("CIFAR-100, two networks teach each other", f"{ONLINE}, README"),
    "hsakd/imagenet": Table("ImageNet", f"{HSAKD}, README; online: {ONLINE}, README"),
    "hsakd/transfer": Table("Linear probes of CIFAR-100's features on other images", f"{HSAKD}, README"),
    "hsakd/averages": Table("Gains that the abstract states", f"{HSAKD}, abstract"),
    "after-crd/cifar100": Table(
        "CIFAR-100, methods after CRD",
        "README files of seven papers, up to 2026",
        "MLKD and SKD have other epochs, views or baselines than the rest",
    ),
    "pskd/cifar100": Table("CIFAR-100, self-distillation, errors", "PS-KD, Kim et al., ICCV 2021, README"),
    "tfkd/baselines": Table(
        "CIFAR-100, labels only", "Tf-KD, Yuan et al., CVPR 2020, README", "its training images are rotated too"
    ),
    "byot/paper": Table("CIFAR-100, the classifiers of a ResNet-18", "BYOT, Zhang et al., ICCV 2019"),
    "byot/re-run": Table("CIFAR-100, the classifiers of a ResNet-18", "code of others for BYOT, 2020"),
    "simclr/authors": Table("CIFAR-10, probes of SimCLR", "its authors, in issues of its code"),
    "moco/demo": Table("CIFAR-10, nearest neighbours and a probe of MoCo", "CIFAR-10 demonstration of its code"),
    "solo-learn/online": Table(
        "Probes of a ResNet-18 without labels", "solo-learn, README", "the probe is trained along with the network"
    ),
    "lightly/knn": Table("CIFAR-10, nearest neighbours of a ResNet-18", "lightly, documentation"),
    "fixmatch/paper": Table("CIFAR with few labels", "FixMatch, Sohn et al. 2020, with RandAugment"),
    "fixmatch/re-run": Table("CIFAR with few labels", "code of others for FixMatch, 2020, README"),
    "usb/cifar10": Table("CIFAR-10 with few labels", "USB, tables of its code"),
}

# What the four papers speak of, and no row has; the note says what is known
ABSENT: dict[str, Table] = {
    "litenet-ssd/ordering": Table(
        "Which pre-training makes the better teacher",
        f"{LITENET}, abstract",
        "the abstract orders teachers, BYOL >= MoCo v2 > SimCLR, and gives no numbers",
    ),
    "litenet-ssd/components": Table(
        "What each term adds",
        f"{LITENET}, abstract",
        "the abstract says that feature transfer gains, and gives no numbers",
    ),
    "lsskd/figure-5": Table(
        "Some of the images",
        f"{LSSKD}, figure 5",
        "25, 50 and 75 % of the images are drawn, for CIFAR-100 and Tiny ImageNet, without numbers",
    ),
    "lsskd/figure-6": Table(
        "The classifiers of the branches",
        f"{LSSKD}, figure 6",
        "classifiers of ResNet-18 and ResNet-32x4 are drawn, without numbers",
    ),
    "lsskd/hold-out": Table(
        "Choosing three hyper-parameters",
        f"{LSSKD}, section IV",
        "weights were chosen on a tenth of the training images; no accuracy is given",
    ),
    "sskd/few-shot": Table("Some of the labels", SSKD, "the abstract speaks of them; the numbers are not transcribed"),
    "sskd/noisy": Table("Wrong labels", SSKD, "the abstract speaks of them; the numbers are not transcribed"),
    "sskd/terms": Table("The loss, term by term", SSKD, "the numbers are not transcribed"),
    "sskd/selective": Table("How much of the teacher's mistakes to learn", SSKD, "the numbers are not transcribed"),
    "sskd/pretext": Table(
        "What the head is asked",
        SSKD,
        "the numbers are not transcribed; how the other tasks are put together is a reconstruction",
    ),
    "sskd/transformations": Table(
        "How the versions of an image differ",
        SSKD,
        "no numbers: the paper lists four transforms, its code has one; their strengths are a reconstruction",
    ),
    "sskd/linear": Table(
        "Linear probes of CIFAR-100's features on other images",
        SSKD,
        "the numbers are not transcribed, nor the pair; HSAKD's README has two of its own (hsakd/transfer)",
    ),
}

UNITS = {
    "top-1": "%",
    "top-5": "%",
    "error": "%",
    "ece": "%",
    "knn": "%",
    "probe": "%",
    "probe top-5": "%",
    "gain": "points",
    "nll": "nats",
    "aurc": "",
    "parameters": "millions",
    "latency": "ms",
    "speed-up": "times",
}

# How the note begins of a stated difference or average that its paper's own tables do not give
DOES_NOT_FOLLOW = "does not follow: "


def published(table: str | None = None) -> pd.DataFrame:
    """The published numbers, of one `table` of TABLES or of all: a row each, with the columns

    table; dataset; teacher, student: the pair, as the table's column has it, in the keys of MODELS where kdlab has the
    network, empty where there is none or none is named; method: a key of METHODS, or "teacher" for the teacher's own
    accuracy, or the paper's name; condition; metric, in UNITS; value; spread: the ± as printed; n: runs, where stated;
    provenance: own, copied from, re-run by, unknown; protocol: which epoch counts, as far as known; source; note.
    """
    if table in ABSENT:
        raise Error(f"no numbers in {table}: {ABSENT[table].note}")
    rows = _rows()
    return rows.copy() if table is None else rows[rows.table == known("published table", table, TABLES)].copy()


@cache
def _rows() -> pd.DataFrame:
    """All rows; what is empty is "" in text and NA in numbers."""
    rows = pd.read_csv(Path(__file__).with_name("published.csv"), dtype="str", keep_default_na=False)
    value, spread, n = (rows[name].where(rows[name] != "").astype("float64") for name in ("value", "spread", "n"))
    return rows.assign(value=value, spread=spread, n=n.astype("Int64"))
