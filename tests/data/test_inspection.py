"""`kdlab data inspect`: what there is, what is not read, what comes twice, and what is done with it."""

import shutil

import pytest
from own_images import command, fill, image
from PIL import Image


def inspected(*words):
    """The lines of the report."""
    code, out, err = command("data", "inspect", *words)
    assert code == 0, err
    return out.splitlines()


def line(lines, word):
    """The one line that has a word."""
    matches = [each for each in lines if word in each]
    assert len(matches) == 1, (word, lines)
    return matches[0]


@pytest.mark.parametrize("kind", ["folder", "photographs"])
def test_images_that_are_trained_and_tested_are_named(kind, root):
    lines = inspected(f"{kind}:{root}", "--size", "12")
    assert "none of the 6 test images is a training image too" in line(lines, "equal images")
    shutil.copy(root / "train/cat/001.png", root / "test/cat/zz.png")
    shutil.copy(root / "train/cat/002.png", root / "test/dog/yy.png")
    shutil.copy(root / "train/dog/000.png", root / "test/dog/xx.png")
    shutil.copy(root / "train/dog/000.png", root / "train/dog/again.png")
    lines = inspected(f"{kind}:{root}", "--size", "12")
    sentence = line(lines, "test images")
    assert "3 of the 9 test images are training images too, 1 with another label" in sentence
    assert "train/cat/001.png = test/cat/zz.png" in sentence and sentence.count(" = ") == 2, "two examples"
    assert "1 training image repeats another (train/dog/000.png = train/dog/again.png)" in "\n".join(lines)


def test_pixels_count_whatever_the_file(root):
    Image.open(root / "train/cat/001.png").save(root / "test/cat/zz.bmp")
    sentence = line(inspected(f"folder:{root}"), "equal images")
    assert "1 of the 7 test images is a training image too (train/cat/001.png = test/cat/zz.bmp)" in sentence


def test_sizes_modes_and_what_is_left_out(root):
    image(grey=True).save(root / "train/cat/grey.png")
    image(size=(40, 30)).convert("RGBA").save(root / "train/dog/large.png")
    for i in range(3):
        (root / "train/cat" / f"{i}.heic").write_bytes(b"x")
    (root / "test/dog/notes.txt").write_text("x")
    (root / "README.md").write_text("x")
    fill(root / "spare", 1)
    fill(root / "unlabelled", 4)
    lines = inspected(f"folder:{root}", "--size", "16")
    assert "from 12 x 12 pixels to 40 x 30 pixels, most often 12 x 12 pixels (21 of 22)" in line(lines, "sizes: ")
    modes = line(lines, "modes: ")
    assert "20 RGB" in modes and "1 L (greyscale)" in modes and "1 RGBA (colour, transparent)" in modes
    assert "3 .heic in train/cat" in line(lines, "left out") and "1 .txt in test/dog" in line(lines, "left out")
    assert "spare/" in line(lines, "not read") and "README.md" in line(lines, "beside them")
    assert "4 of the 16 training images" in line(lines, "unlabelled: ")
    counts = {each.split()[0]: each.split()[1:] for each in lines if each}
    assert counts["unlabelled"] == ["4", "0", "0", "0"] and counts["all"] == ["14", "10", "2", "6"]
    done = line(lines, "what kdlab does")
    assert "3 channels of 16 x 16 pixels" in done and "as colour" in done and "tests on 6 images" in done


@pytest.mark.parametrize("kind", ["folder", "csv"])
def test_several_sizes_are_inspected_without_one(kind, root):
    """Which cannot be trained so: the report says what to give."""
    fill(root / "train/cat", 2, first=20, size=(40, 30))
    name = f"folder:{root}"
    if kind == "csv":
        files = [file.relative_to(root) for file in sorted(root.rglob("*.png"))]
        rows = [f"{file},{file.parts[1]},{file.parts[0]}" for file in files]
        (root / "labels.csv").write_text("\n".join(["file,label,split", *rows]))
        name = f"csv:{root / 'labels.csv'}"
    lines = inspected(name, "--labels", "4")
    assert "12 images for training, 6 for testing, 2 classes, images of several sizes" in lines[0]
    assert "give size=, such as size=12 (here --size 12)" in line(lines, "sizes: ")
    counts = {each.split()[0]: each.split()[1:] for each in lines if each}
    assert counts["cat"] == ["6", "2", "1", "3"] and line(lines, "equal images")
    for option in (["--sheet", root / "s.png"], ["--verify"]):
        code, _, err = command("data", "inspect", name, *option)
        assert code == 2 and "has images of several sizes: give --size as well" in err
    code, _, err = command("run", f"dataset={name}")
    assert code == 2 and "size" in err


def test_the_share_for_testing_and_images_without_labels(tmp_path):
    for name in ("cat", "dog"):
        fill(tmp_path / "alone" / name, 10)
    done = line(inspected(f"folder:{tmp_path / 'alone'}"), "what kdlab does")
    assert "tests on 20% of each class, chosen by the content of the files" in done
    fill(tmp_path / "flat", 9)
    lines = inspected(f"folder:{tmp_path / 'flat'}", "--sheet", tmp_path / "sheet.png")
    assert "9 images for training, 0 for testing, 0 classes" in lines[0] and (tmp_path / "sheet.png").stat().st_size
    assert "tests nothing: methods that learn without labels" in line(lines, "what kdlab does")


def test_a_photograph_that_is_turned_counts_as_it_is_shown(root):
    exif = Image.Exif()
    exif[0x112] = 6
    for file in [*root.rglob("*.png")]:
        image(size=(10, 20), key=len(str(file))).save(file.with_suffix(".jpg"), exif=exif)
        file.unlink()
    assert "all 20 x 10 pixels" in line(inspected(f"photographs:{root}"), "sizes: ")


def test_sets_that_are_built_in_are_inspected_too():
    lines = inspected("digits")
    assert "all 8 x 8 pixels" in line(lines, "sizes: ") and "1,797 L" in line(lines, "modes: ")
    assert "none of the 597 test images" in line(lines, "equal images")
    assert "1 channel of 8 x 8 pixels" in line(lines, "what kdlab does")


@pytest.mark.parametrize("kind", ["folder", "photographs"])
@pytest.mark.parametrize("size", [(), ("--size", "16")])
def test_all_files_that_cannot_be_read_are_named_with_their_reasons(kind, size, root):
    cat = root / "train/cat"
    (cat / "000.png").write_bytes(b"no image")
    (cat / "001.png").write_bytes(b"")
    image((40, 40)).save(cat / "002.png")
    (cat / "002.png").write_bytes((cat / "002.png").read_bytes()[:900])
    image(grey=True).convert("F").save(cat / "float.tif")
    image().convert("LAB").save(cat / "lab.tif")
    image(key=1).save(cat / "film.gif", save_all=True, append_images=[image(key=2)])
    (root / "test/dog/000.png").write_bytes(b"\0\0\0\x18ftypheic" + b"\0" * 20)
    code, out, err = command("data", "inspect", f"{kind}:{root}", *size)
    said = [each for each in out.splitlines() if each.startswith("not readable: ")]
    assert code == 2 and len(said) == 7 and err.count("\n") == 1 and "7 files that cannot be read" in err
    for name, reason in {
        "train/cat/000.png": "text",
        "train/cat/001.png": "it is empty",
        "train/cat/002.png": "truncated",
        "float.tif": "32 bits",
        "lab.tif": "Lab",
        "film.gif": "2 images",
        "test/dog/000.png": "is a HEIC picture under another name: save it as .jpg",
    }.items():
        assert reason in line(said, name)
    assert "equal images" in out and "Error" not in out + err


def test_equal_images_with_different_labels_come_first(root):
    for i in range(5):
        shutil.copy(root / f"train/cat/{i:03}.png", root / f"train/cat/a{i}.png")
        shutil.copy(root / f"train/cat/{i:03}.png", root / f"train/dog/z{i}.png")
    sentence = line(inspected(f"folder:{root}"), "training images repeat others")
    assert "10 training images repeat others, 5 with another label (train/cat/000.png [cat] = train/dog/z" in sentence
    assert sentence.count("[dog]") == 5 == sentence.count(" = ") and sentence.endswith("; 5 more)")


def test_that_images_are_stretched_is_said(root):
    fill(root / "train/cat", 2, first=20, size=(40, 30))
    for size in ((), ("--size", "16")):
        done = line(inspected(f"folder:{root}", *size), "what kdlab does")
        assert "stretched" in done and f"photographs:{root} crops instead" in done
    assert "stretched" not in line(inspected(f"photographs:{root}"), "what kdlab does")
