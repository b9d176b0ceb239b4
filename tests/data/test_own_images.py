"""Images of one's own in every layout: read, trained on end to end, and refused in one sentence where that is due."""

import os
import re
import shutil
import unicodedata
from pathlib import Path

import pytest
from own_images import config, counts, fill, image, loaded, pets, refused

import kdlab
from kdlab import Error
from kdlab.data import cache, load

TINY = {"width": 0.125, "epochs": 1, "steps": 2, "batch": 4, "model": "litenet_dsc"}
SHARE = ("cat", "dog")


@pytest.fixture(autouse=True)
def fresh(tmp_path, monkeypatch):
    monkeypatch.setenv("KDLAB_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("KDLAB_WORKERS", "0")


def trained(**fields):
    """The result of a tiny run; one that is refused fails the test."""
    load.cache_clear()
    made = config(**{**TINY, **fields})
    try:
        return kdlab.run(made)
    except Error as error:
        pytest.fail(f"refused: {error}")


def untrained(**fields):
    """The sentence by which a run is refused; nothing is written."""
    load.cache_clear()
    with pytest.raises(Error) as caught:
        kdlab.run(kdlab.Config(**{**TINY, **fields}))
    assert not [*Path(os.environ["KDLAB_RUNS"]).glob("*/*")]
    return str(caught.value)


def table(folder, rows, header="file,label", mark="\n", encoding="utf-8", name="labels.csv"):
    file = folder / name
    file.write_bytes(mark.join([header, *rows, ""]).encode(encoding))
    return file


# Without labels


@pytest.mark.parametrize(
    "where",
    [
        "unlabelled",
        "unlabeled",
        "Unlabeled",
        "train/unlabelled",
        "train/unlabeled",
        "unlabelled/2024/may",
    ],
)
@pytest.mark.parametrize("kind", ["folder", "photographs"])
def test_images_without_labels_join_those_for_training(where, kind, root):
    few = loaded(f"{kind}:{root}", 12)
    fill(root / where, 7)
    many = loaded(f"{kind}:{root}", 12)
    assert many.classes == ("cat", "dog") and counts(many.train_y) == [5, 5] and many.train_y[10:].tolist() == [-1] * 7
    assert (many.train_x[:10] == few.train_x[:10]).all() and (many.mean, many.std) == (few.mean, few.std)
    assert many.fingerprint() != few.fingerprint() and many.test_y.tolist() == few.test_y.tolist()


def test_a_class_that_is_called_so_stays_one_where_it_is_tested(tmp_path):
    root = pets(tmp_path / "bottles", classes=("labelled", "unlabelled"))
    assert counts(loaded(f"folder:{root}").train_y) == [5, 5]


def test_a_link_from_unlabelled_images_to_a_class_is_refused(root):
    (root / "unlabelled").symlink_to(root / "train" / "cat")
    assert "are one folder, of the classes cat and unlabelled: remove the link" in refused(f"folder:{root}")


def test_few_labels_and_many_images_train_a_student_end_to_end(root):
    """A teacher from labels, self-supervised features, and a student that sees labelled and unlabelled images."""
    fill(root / "unlabelled", 12)
    own = {"dataset": f"folder:{root}"}
    assert (loaded(own["dataset"]).train_y == -1).sum() == 12
    features = config(**TINY, **own, method="simclr")
    result = trained(**own, method="litenet_ssd", labels=4, teacher=config(**TINY, **own, init=features))
    assert result["labels"] == 4 and result["test/accuracy"] >= 0
    assert trained(**own, method="kd", teacher=config(**TINY, **own))["labels"] == 10
    fixed = trained(**{**own, "dataset": f"photographs:{root}", "size": 16}, method="simclr")
    assert "test/knn" in fixed.metrics and fixed["labels"] == 10


@pytest.mark.parametrize("layout", ["flat", "unlabelled", "train", "train/unlabelled"])
@pytest.mark.parametrize("kind", ["folder", "photographs"])
def test_images_without_any_label(layout, kind, tmp_path):
    folder = tmp_path / "mine"
    fill(folder if layout == "flat" else folder / layout, 9)
    images = loaded(f"{kind}:{folder}", 12)
    assert images.classes == () and images.train_y.tolist() == [-1] * 9 and len(images.test_y) == 0
    assert images.train_x.shape == (9, 3, 12, 12) and len(images.fingerprint()) == 16


def test_pretraining_needs_no_label_and_its_network_learns_classes_elsewhere(tmp_path, root):
    fill(tmp_path / "mine", 9)
    mine = f"folder:{tmp_path / 'mine'}"
    for method in ("simclr", "moco", "byol"):
        result = trained(dataset=mine, method=method, batch=8)
        assert result["labels"] == 0 and not [name for name in result.metrics if name.startswith(("test/", "val/"))]
    load.cache_clear()
    with pytest.raises(Error, match="the run has no test images"):
        result.measure(["test/knn"])
    with pytest.raises(Error, match="the run has no labelled training images"):
        result.measure(["train/knn"])
    student = trained(dataset=f"folder:{root}", init=config(**TINY, dataset=mine, method="simclr"))
    assert student["labels"] == 10 and "test/accuracy" in student.metrics
    assert trained(dataset=f"photographs:{tmp_path / 'mine'}", size=16, method="simclr")["labels"] == 0


def test_what_needs_labels_is_refused_before_training(tmp_path, root):
    fill(tmp_path / "mine", 9)
    mine = f"folder:{tmp_path / 'mine'}"
    loaded(mine)
    for fields in (
        {},
        {"method": "litenet_ssd", "teacher": kdlab.Config(dataset=f"folder:{root}", **TINY)},
        {"method": "lsskd"},
    ):
        said = untrained(dataset=mine, **fields)
        assert "has no labelled images" in said and "choose" in said and "simclr" in said
    assert "labels=4" in untrained(dataset=mine, method="simclr", labels=4)
    assert "noise=0.2" in untrained(dataset=mine, method="simclr", noise=0.2)
    assert "leaves none" in untrained(dataset=mine, method="simclr", patience=2)
    assert "no labelled images" in untrained(
        dataset=f"folder:{root}", method="kd", teacher=kdlab.Config(**TINY, dataset=mine)
    )


def test_one_class_is_none(tmp_path):
    fill(tmp_path / "a" / "cat", 3)
    said = refused(f"folder:{tmp_path / 'a'}")
    assert "one class only, cat" in said and "unlabelled/" in said
    pets(tmp_path / "b" / "photos")
    assert f"write folder:{tmp_path / 'b' / 'photos'}" in refused(f"folder:{tmp_path / 'b'}")
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "notes.txt").write_text("")
    assert "no images in" in refused(f"folder:{tmp_path / 'c'}")


# Folders for classes alone


def classes_alone(folder, count=10, prefix=""):
    for k, name in enumerate(SHARE):
        (folder / name).mkdir(parents=True)
        for i in range(count):
            image(key=[k, i]).save(folder / name / f"{prefix}{i:03}.png")
    return folder


def sides(images):
    """The bytes of the training and of the test images, with their labels."""
    parts = (images.train_x, images.train_y), (images.test_x, images.test_y)
    return [sorted((x.numpy().tobytes(), y) for x, y in zip(xs, ys.tolist(), strict=True)) for xs, ys in parts]


@pytest.mark.parametrize("kind", ["folder", "photographs"])
def test_of_classes_alone_a_fifth_is_tested_chosen_by_content(kind, tmp_path):
    folder = classes_alone(tmp_path / "first")
    images = loaded(f"{kind}:{folder}", 12)
    assert images.classes == SHARE and counts(images.train_y) == [8, 8] and counts(images.test_y) == [2, 2]
    other = classes_alone(tmp_path / "second", prefix="img-")
    for name in SHARE:  # another order, another time, deeper folders
        for i, file in enumerate(sorted((other / name).iterdir())):
            (other / name / "deeper").mkdir(exist_ok=True)
            os.utime(file, (i, i))
            file.rename(other / name / (f"deeper/{100 - i}.png" if i % 2 else f"{100 - i}.png"))
    again = loaded(f"{kind}:{other}", 12)
    assert sides(again) == sides(images)
    copy = shutil.copytree(folder, tmp_path / "elsewhere" / "first")
    assert loaded(f"{kind}:{copy}", 12).fingerprint() == images.fingerprint()


def test_equal_images_are_on_one_side(tmp_path):
    folder = classes_alone(tmp_path / "pets")
    before = sides(loaded(f"folder:{folder}"))
    for name in SHARE:
        for file in sorted((folder / name).iterdir()):
            shutil.copy(file, folder / name / f"copy-{file.name}")
    train, test = sides(loaded(f"folder:{folder}"))
    assert [len(train), len(test)] == [32, 8] and not {*train} & {*test} and {*test} == {*before[1]}
    shutil.copy(folder / "cat" / "000.png", folder / "dog" / "one-of-the-cats.png")
    fill(folder / "unlabelled", 2)
    for i, file in enumerate(sorted((folder / "dog").glob("0*.png"))):
        shutil.copy(file, folder / "unlabelled" / f"dog-{i}.png") if i < 9 else None
    images = loaded(f"folder:{folder}")
    train, test = ({pixels for pixels, _ in side} for side in sides(images))
    assert not train & test and counts(images.test_y)[0] == 4 and (images.train_y == -1).sum() == 11


def test_the_choice_is_part_of_the_identity(tmp_path):
    folder = classes_alone(tmp_path / "pets")
    alone = trained(dataset=f"photographs:{folder}", size=16)
    images = alone.images
    assert len(images.test_y) == 4
    image(key=[7, 7]).save(folder / "cat" / "999.png")
    assert trained(dataset=f"photographs:{folder}", size=16).folder != alone.folder


def test_classes_alone_are_trained_end_to_end(tmp_path):
    own = {"dataset": f"folder:{classes_alone(tmp_path / 'pets')}"}
    fill(tmp_path / "pets" / "unlabelled", 8)
    result = trained(**own, method="litenet_ssd", labels=4, teacher=config(**TINY, **own))
    assert result["labels"] == 4 and result.folder.name.startswith("pets-")
    assert trained(**own, method="kd", teacher=config(**TINY, **own))["test/accuracy"] >= 0
    assert trained(dataset=f"photographs:{tmp_path / 'pets'}", size=16)["labels"] == 14


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda p: fill(p / "fox", 1), "class fox has 1 image, of which none can be set aside for testing"),
        (
            lambda p: [
                shutil.copy(p / "cat/000.png", (p / "fox").mkdir(exist_ok=True) or p / "fox" / f"{i}.png")
                for i in range(3)
            ],
            "class fox has 3 images, of which none can be set aside",
        ),
        (lambda p: (p / "fox").mkdir(), "no images in .*pets for fox"),
        (lambda p: pets(p / "fox"), "has fox/test/: write folder:.*fox, or move"),
        (lambda p: fill(p / "Test" / "cat", 2), "needs a train/ and a test/ or val/ folder, it has Test/"),
        (lambda p: fill(p / "Cat", 2), "folders Cat and cat, which are one and the same on other systems"),
        (
            lambda p: [(p / "train").mkdir(), *((p / n).rename(p / "train" / n) for n in SHARE)],
            "needs a train/ and a test/ or val/ folder, it has train/; folder:.*train sets a share of each class aside",
        ),
    ],
)
def test_what_cannot_be_divided_is_said(make, message, tmp_path):
    folder = classes_alone(tmp_path / "pets")
    loaded(f"folder:{folder}")
    make(folder)
    assert re.search(message, refused(f"folder:{folder}"))


# Tables


@pytest.fixture
def folder(tmp_path):
    """Eight images of two kinds in one folder, and four more that nobody looked at."""
    for k, name in enumerate(SHARE):
        for i in range(8):
            (tmp_path / "set" / "img").mkdir(parents=True, exist_ok=True)
            image(key=[k, i]).save(tmp_path / "set" / "img" / f"{name}{i}.png")
    fill(tmp_path / "set" / "img", 4)
    return tmp_path / "set"


ROWS = [f"img/{name}{i}.png,{name}" for name in SHARE for i in range(8)]
SIDES = ["train"] * 5 + ["test"] * 2 + ["val"]
SPLIT = [f"{row},{SIDES[i % 8]}" for i, row in enumerate(ROWS)]


@pytest.mark.parametrize(
    "header", ["file,label", "Filename,Class", "path,target", "image path,LABEL", " img , category "]
)
@pytest.mark.parametrize("kind", ["csv", "photographs"])
def test_a_table_names_images_and_their_labels(header, kind, folder):
    file = table(folder, [*ROWS, *(f"img/00{i}.png," for i in range(4))], header)
    images = loaded(f"{kind}:{file}", 12)
    assert images.classes == SHARE and counts(images.test_y) == [2, 2] and counts(images.train_y) == [6, 6]
    assert images.train_y[12:].tolist() == [-1] * 4 and images.name == f"{kind}:{file}"
    rows = list(reversed(ROWS))
    again = loaded(f"{kind}:{table(folder, rows, header, name='other.csv')}", 12)
    assert sides(again)[1] == sides(images)[1], "the same images are tested in every order"


def test_a_table_says_what_is_for_what(folder):
    file = table(folder, [*SPLIT, "img/000.png,,", "img/001.png,,train", "img/002.png,,unlabelled"], "file,label,split")
    images = loaded(f"csv:{file}")
    assert counts(images.train_y) == [5, 5] and counts(images.test_y) == [2, 2] and counts(images.val_y) == [1, 1]
    assert (images.train_y == -1).sum() == 3
    few = loaded(f"csv:{table(folder, [row for row in SPLIT if not row.endswith('test')], 'file,label,split')}")
    assert few.val_x is None and counts(few.test_y) == [1, 1], "without test images those for validation are tested"


@pytest.mark.parametrize(
    "how",
    [
        {"encoding": "utf-8-sig"},
        {"mark": "\r\n"},
        {"mark": "\n\n"},
        {"header": "sep=,\nfile,label"},
        {"header": "id,file,label,remark", "change": lambda row: f'7,"{row.split(",")[0]}",{row.split(",")[1]},"a, b"'},
        {"header": "label;file", "change": lambda row: ";".join(reversed(row.split(",")))},
        {"header": "file\tlabel", "change": lambda row: row.replace(",", "\t")},
        {"change": lambda row: row.replace("/", "\\")},
        {"change": lambda row: f"./{row} "},
    ],
)
def test_tables_of_all_programs(how, folder):
    change = how.pop("change", str)
    images = loaded(f"csv:{table(folder, [change(row) for row in ROWS], **how)}")
    assert counts(images.train_y) == [6, 6] and counts(images.test_y) == [2, 2]


def test_labels_that_are_numbers_are_sorted_by_value(folder):
    rows = [f"img/cat{i}.png,{label}" for i, label in enumerate([10, 10, 10, 9, 9, 9])]
    assert loaded(f"csv:{table(folder, rows)}").classes == ("9", "10")


def test_paths_start_at_the_table_or_are_whole(folder, tmp_path, monkeypatch):
    (folder / "tables").mkdir()
    rows = [f"../{row}" if i % 2 else f"{folder}/{row}" for i, row in enumerate(ROWS)]
    file = table(folder / "tables", rows)
    monkeypatch.chdir(folder)
    by_name, whole = loaded("csv:tables/labels.csv"), loaded(f"csv:{file}")
    assert counts(whole.train_y) == [6, 6] and by_name.fingerprint() == whole.fingerprint()


@pytest.mark.parametrize(
    "rows, header, message",
    [
        (["img/gone.png,cat", *ROWS], "file,label", "1 of the 17 files that .* names are not there: img/gone.png"),
        (
            [f"img/gone{i}.png,cat" for i in range(9)],
            "file,label",
            "gone0.png, img/gone1.png, img/gone2.png and 6 more",
        ),
        ([f"{'x' * 5000}.png,cat", *ROWS], "file,label", "are not there"),
        (ROWS, "picture,label", "has no column for the file: its first line is picture,label"),
        (ROWS, "file,colour", "has no column for the label: .* leave its cells empty for images without labels"),
        (ROWS, "file,image", "several columns for the file, file and image"),
        ([*ROWS, "img/cat0.png,dog"], "file,label", "says two things of img/cat0.png, in lines 2 and 18"),
        ([*ROWS, "./img/cat0.png,cat"], "file,label", "names one image twice, in lines 2 and 18"),
        ([*ROWS, ",dog"], "file,label", "line 18: no file is named"),
        ([*ROWS, "img/000.png,cat,big"], "file,label", "line 18: 3 cells and 2 columns"),
        (ROWS[:8], "file,label", "one class only, cat"),
        ([*SPLIT, "img/000.png,cat,later"], "file,label,split", "18: the split 'later' is none of train, test and val"),
        ([*SPLIT, "img/000.png,,test"], "file,label,split", "line 18: img/000.png is for test and has no label"),
        ([*SPLIT, "img/000.png,cat,"], "file,label,split", "line 18: img/000.png has a label and no split"),
        ([*SPLIT, "img/000.png,fox,test"], "file,label,split", "no training image of fox, which test has"),
        ([f"{row},train" for row in ROWS], "file,label,split", "has train: it needs train, and test or val"),
        (['img/"cat0.png,cat', 'x"y"z"'], "file,label", "are not there|is no CSV file"),
        ([], "file,label", "names no image"),
        ([], "", "is empty"),
        ([*ROWS[:9], "img/dog1.png,dog"][:9], "file,label", "class dog has 1 image"),
    ],
)
def test_what_is_wrong_with_a_table_is_one_sentence(rows, header, message, folder):
    loaded(f"csv:{table(folder, ROWS, name='good.csv')}")
    assert re.search(message, refused(f"csv:{table(folder, rows, header)}"))


@pytest.mark.parametrize(
    "content, message",
    [
        ("file,label\nimg/caf\xe9.png,cat\n".encode("latin-1"), "is not written in UTF-8"),
        ("file,label\n".encode("utf-16"), "is not written in UTF-8"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\r", "is not written in UTF-8"),
        (b"file,label\nimg/\0.png,cat\n", "are not there|is no CSV file"),
    ],
)
def test_what_is_no_table_of_text(content, message, folder):
    loaded(f"csv:{table(folder, ROWS, name='good.csv')}")
    (folder / "bad.csv").write_bytes(content)
    assert re.search(message, refused(f"csv:{folder / 'bad.csv'}"))
    assert "there is no file" in refused(f"csv:{folder / 'none.csv'}")
    assert f"write folder:{folder}" in refused(f"csv:{folder}")
    assert "csv:FILE" in refused("csv:")


def test_a_table_of_files_that_cannot_be_read_counts_them(folder):
    (folder / "img" / "phone.heic").write_bytes(b"heic")
    with pytest.warns(UserWarning, match=r"1 file is left out, no images that are read: 1 .heic; save .heic as .jpg"):
        images = loaded(f"csv:{table(folder, [*ROWS, 'img/phone.heic,cat'])}")
    assert counts(images.train_y) == [6, 6]


def test_a_table_without_any_label_is_for_pretraining(folder):
    file = table(folder, [f"{row.split(',')[0]}," for row in ROWS])
    loaded(f"csv:{file}")
    assert "has no labelled images" in untrained(dataset=f"csv:{file}")
    assert trained(dataset=f"csv:{file}", method="simclr")["labels"] == 0


def test_what_is_kept_of_one_table_stays_beside_another(folder, monkeypatch):
    monkeypatch.setattr(cache, "FEW", 4)
    monkeypatch.setenv("KDLAB_CACHE", str(folder.parent / "kept"))
    for name, rows in {"a.csv": ROWS, "b.csv": [row for row in ROWS if "7" not in row]}.items():
        loaded(f"csv:{table(folder, rows, name=name)}")
    assert len(kdlab.data.kept()) == 2, "neither is decoded again when the other was read"
    loaded(f"csv:{folder / 'a.csv'}")
    table(folder, SPLIT, "file,label,split", name="a.csv")
    assert counts(loaded(f"csv:{folder / 'a.csv'}").train_y) == [5, 5], "other sides of the same files"
    assert len(kdlab.data.kept()) == 2, "of an older table nothing stays"


def test_a_table_is_trained_end_to_end(folder):
    own = {"dataset": f"csv:{table(folder, [*ROWS, *(f'img/00{i}.png,' for i in range(4))])}"}
    first = trained(**own)
    assert first.folder.name.startswith("csv_labels.csv-") and first["labels"] == 10
    assert trained(**own, method="litenet_ssd", labels=4, teacher=config(**TINY, **own))["labels"] == 4
    assert trained(**own, method="kd", teacher=config(**TINY, **own))["test/accuracy"] >= 0
    load.cache_clear()
    table(folder, [ROWS[0].replace("cat", "dog", 2).replace("img/dog", "img/cat"), *ROWS[1:]])
    assert trained(**own).folder != first.folder, "another label is another run"


@pytest.mark.parametrize("forms", [("NFC", "NFD"), ("NFD", "NFC")])
@pytest.mark.parametrize("mark", ["/", "\\"])
def test_a_table_names_files_in_another_normal_form_of_unicode(forms, mark, tmp_path):
    """As when files come from a Mac and the table from elsewhere; with slashes of Windows too."""
    written, there = (lambda text, form=form: unicodedata.normalize(form, text) for form in forms)
    names, above = ("k\u00e4se", "\u00fcbrig"), "B\u00e4r"
    for name in names:
        fill(tmp_path / there(above) / there(name), 5)
    rows = [
        f"{mark.join([written(above), written(name), f'{i:03}.png'])},{k}"
        for k, name in enumerate(names)
        for i in range(5)
    ]
    images = loaded(f"csv:{table(tmp_path, rows)}")
    assert counts(images.train_y) == [4, 4] and counts(images.test_y) == [1, 1]


def test_a_class_whose_images_are_elsewhere_too_says_where(tmp_path):
    for name in ("cat", "dog"):
        fill(tmp_path / name, 6)
    shutil.copytree(tmp_path / "cat", tmp_path / "new_class")
    fill(tmp_path / "other", 3)
    shutil.copytree(tmp_path / "other", tmp_path / "unlabelled")
    said = refused(f"folder:{tmp_path}")
    assert "none can be set aside for testing, as all are also in new_class: leave each in one place" in said
    shutil.rmtree(tmp_path / "new_class")
    assert "all are also among those without a label (unlabelled/)" in refused(f"folder:{tmp_path}")


def test_what_is_no_folder_says_what_may_be_given(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "or folders of classes alone" in refused("folder:Nope")
    (tmp_path / "t.csv").write_text("file,label")
    assert "is a file, no folder" in refused("folder:t.csv") and "csv:t.csv" in refused("folder:t.csv")


@pytest.mark.parametrize("name", ["train", "test"])
def test_an_empty_folder_for_a_part_beside_classes_is_to_be_removed(name, tmp_path):
    for each in ("cat", "dog"):
        fill(tmp_path / each, 6)
    (tmp_path / name).mkdir()
    assert f"remove the empty {name}/" in refused(f"folder:{tmp_path}")


def test_sentences_about_stages_name_the_way_out(root):
    assert f"; give teacher.dataset=folder:{root}" in untrained(
        dataset=f"folder:{root}", method="kd", teacher=config(**TINY, dataset="digits")
    )
    with pytest.raises(Error, match=r"\(in a shell init.method=\.\.\.\)"):
        kdlab.Config(method="sskd_head")
