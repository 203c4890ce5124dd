"""Every native layout is found, read row by row, and verified."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import miniatures
import pandas as pd
import pytest
from PIL import Image
from scipy.io import savemat

from dpam.datasets import DATASETS, Dataset, default_root, find, is_present, missing_message
from dpam.datasets.cards import state
from dpam.datasets.verification import verify
from dpam.errors import DpamError
from dpam.imaging.images import HEIF, is_image_name

LAYOUTS = [
    ("live", miniatures.live),
    ("csiq", miniatures.csiq),
    ("csiq", miniatures.csiq_authors),
    ("tid2013", miniatures.tid2013),
    ("kadid10k", miniatures.kadid10k),
    ("livec", miniatures.livec),
    ("livec", miniatures.livec_authors),
    ("koniq10k", miniatures.koniq10k),
    ("koniq10k", lambda root: miniatures.koniq10k(root, sets=True)),
    ("spaq", miniatures.spaq),
    ("biq2021", miniatures.biq2021),
]


@pytest.mark.parametrize(("name", "write"), LAYOUTS)
def test_native_layout(tmp_path, name, write):
    rows = write(tmp_path)
    dataset = miniatures.smaller(name, rows)
    assert is_present(dataset, tmp_path)
    columns = ["image", "reference", "distortion", "level", "raw_label"]
    found = dataset.read_labels(tmp_path)
    pd.testing.assert_frame_equal(found[columns], pd.DataFrame(rows, columns=columns))
    assert set(found["official"]) <= {"", "train", "test"}
    grouped = ["ss01", "ss02", "ss03"] if name == "biq2021" else found["distortion"].tolist()
    assert found["group"].tolist() == grouped
    verified = verify(dataset, tmp_path)
    assert verified["counts"]["images"] == len(rows)
    assert verified["bytes"] == sum((tmp_path / row[0]).stat().st_size for row in rows)
    assert set(found["distortion"]) - {""} <= set(dataset.distortions)


def test_live_has_its_published_size(tmp_path):
    rows = miniatures.live(tmp_path)
    found = verify(replace(DATASETS["live"], sides=(32, 36)), tmp_path)
    assert found["counts"] == {"images": 779, "references": 29, "without_label": 203}
    assert len(rows) == 779


def test_live_without_realigned_scores(tmp_path):
    rows = miniatures.live(tmp_path, realigned=False)
    found = DATASETS["live"].read_labels(tmp_path)
    assert found["raw_label"].tolist() == pytest.approx([row[4] / 2 for row in rows])


def test_official_subsets(tmp_path):
    miniatures.koniq10k(tmp_path / "one", sets=True)
    assert DATASETS["koniq10k"].read_labels(tmp_path / "one")["official"].tolist() == [
        "train",
        "test",
    ]
    miniatures.koniq10k(tmp_path / "two")
    plain = DATASETS["koniq10k"].read_labels(tmp_path / "two")
    assert plain["official"].tolist() == ["", ""]
    miniatures.koniq10k(tmp_path / "two", sets=True)
    both = DATASETS["koniq10k"].read_labels(tmp_path / "two")
    assert both["official"].tolist() == ["train", "test"]
    assert both["raw_label"].tolist() == plain["raw_label"].tolist()
    miniatures.biq2021(tmp_path / "three")
    biq2021 = DATASETS["biq2021"].read_labels(tmp_path / "three")
    assert biq2021["official"].tolist() == ["train", "train", "test"]


def test_unknown_official_subsets_are_named(tmp_path):
    miniatures.koniq10k(tmp_path, sets=True)
    path = tmp_path / "koniq10k_distributions_sets.csv"
    path.write_text(path.read_text().replace("training", "practice"))
    with pytest.raises(DpamError, match=r"sets\.csv: expected training, .*\n  - practice"):
        DATASETS["koniq10k"].read_labels(tmp_path)


def test_live_with_a_wrong_number_of_entries(tmp_path):
    miniatures.live(tmp_path)
    path = tmp_path / "databaserelease2" / "dmos_realigned.mat"
    savemat(path, {"dmos_new": [[1.0, 2.0]], "orgs": [[0, 1]]})
    with pytest.raises(DpamError, match="expected 982 entries, found 2 scores"):
        DATASETS["live"].read_labels(tmp_path)


def test_the_authors_tree_under_one_root(tmp_path):
    miniatures.livec_authors(tmp_path)
    miniatures.csiq_authors(tmp_path)
    (tmp_path / "KADID-10K").mkdir()
    for name, folder in (("livec", "LIVEC"), ("csiq", "CSIQ"), ("kadid10k", "KADID-10K")):
        root = default_root(tmp_path, name, DATASETS[name].homes)
        assert root == str(tmp_path / folder)
    assert default_root(tmp_path, "spaq") == str(tmp_path / "spaq")
    livec = default_root(tmp_path, "livec")
    assert DATASETS["livec"].read_labels(livec)["image"].tolist() == [
        "images/3.bmp",
        "images/10.JPG",
    ]


def test_deviations_are_kept(tmp_path):
    for name, expected in (
        ("tid2013", [0.1, 0.2, 0.3]),
        ("kadid10k", [0.7, 0.7, 0.7]),
        ("livec", [0.342, 9.243, 6.01]),
        ("koniq10k", [0.5, 0.5]),
        ("csiq", [0.05] * 6),
    ):
        root = tmp_path / name
        root.mkdir()
        getattr(miniatures, name)(root)
        assert DATASETS[name].read_labels(root)["raw_std"].tolist() == pytest.approx(expected)


def test_facts_agree_with_themselves():
    assert list(DATASETS) == [dataset.name for dataset in DATASETS.values()]
    counts = {name: (data.images, data.references) for name, data in DATASETS.items()}
    assert counts["kadid10k"] == (81 * 25 * 5, 81)
    assert counts["tid2013"] == (25 * 24 * 5, 25)
    types = {name: len(dataset.distortions) for name, dataset in DATASETS.items()}
    assert types["live"] == 5
    assert types["csiq"] == 6
    assert types["tid2013"] == 24
    assert types["kadid10k"] == 25
    for dataset in DATASETS.values():
        assert len(set(dataset.distortions)) == len(dataset.distortions)
        assert all(name.isidentifier() for name in dataset.distortions)
        assert bool(dataset.distortions) == (dataset.kind == "synthetic")


@pytest.mark.parametrize("name", list(DATASETS))
def test_a_missing_dataset_is_explained(tmp_path, name):
    dataset = DATASETS[name]
    assert not is_present(dataset, tmp_path / "nowhere")
    message = missing_message(dataset, tmp_path)
    assert dataset.title in message
    assert dataset.page in message
    assert str(tmp_path) in message
    assert f"{dataset.image_folders[0][0]}/" in message
    assert "\n" not in message
    with pytest.raises(DpamError, match="is not complete"):
        dataset.read_labels(tmp_path)


def test_only_what_is_missing_is_named(tmp_path):
    miniatures.kadid10k(tmp_path)
    (tmp_path / "kadid10k" / "dmos.csv").unlink()
    message = missing_message(DATASETS["kadid10k"], tmp_path)
    assert "lacks dmos.csv." in message


def test_a_folder_that_may_not_be_read_is_not_called_missing(tmp_path):
    dataset, root = DATASETS["koniq10k"], tmp_path / "data/koniq10k"
    miniatures.koniq10k(root)
    root.chmod(0)
    with miniatures.nobody():
        for look in (is_present, Dataset.files):
            with pytest.raises(DpamError, match=f"{root}: cannot be read: Permission denied"):
                look(dataset, root)
        assert state(dataset, root) == "not readable"
    root.chmod(0o700)
    root.parent.chmod(0)
    with (
        miniatures.nobody(),
        pytest.raises(DpamError, match=f"{root.parent}: cannot be read: Permission denied"),
    ):
        default_root(root.parent, "koniq10k")
    root.parent.chmod(0o700)


@pytest.mark.parametrize(
    ("name", "file", "content"),
    [
        ("kadid10k", "kadid10k/dmos.csv", b"dist_img,dmos\nI01_01_01.png,3\n"),
        (
            "kadid10k",
            "kadid10k/dmos.csv",
            b"dist_img,ref_img,dmos,var\nI01_77_01.png,I01.png,3,1\n",
        ),
        ("koniq10k", "koniq10k_scores_and_distributions.csv", b"\xff\xfe\x00\x01"),
        ("csiq", "CSIQ.dmos.xlsx", b"not a workbook"),
        ("tid2013", "mos_with_names.txt", b"5.5\n"),
        ("tid2013", "MOS_std.txt", b"0.1\n"),
        ("livec", "ChallengeDB_release/Data/AllImages_release.mat", b"not MATLAB"),
        ("spaq", "Annotations/MOS and Image attribute scores.xlsx", b""),
    ],
)
def test_broken_label_files_are_named(tmp_path, name, file, content):
    getattr(miniatures, name)(tmp_path)
    (tmp_path / file).write_bytes(content)
    with pytest.raises(DpamError, match=Path(file).name):
        DATASETS[name].read_labels(tmp_path)


def test_a_mat_file_that_is_missing_beside_others(tmp_path):
    miniatures.livec(tmp_path)
    (tmp_path / "ChallengeDB_release" / "Data" / "AllMOS_release.mat").unlink()
    with pytest.raises(DpamError, match=r"AllMOS_release\.mat"):
        DATASETS["livec"].read_labels(tmp_path)


FORMATS = {"jfif": "JPEG"}
OWN = {"labels": "mine.csv", "score_range": [0, 10], "higher_is_better": False}


def own(root: Path, *lines: str, images: tuple[str, ...] = (), **settings: object) -> Dataset:
    miniatures.write_text(root / "mine.csv", *lines)
    for number, image in enumerate(images):
        miniatures.write_image(root / image, number)
    return find("mine", {**OWN, **settings})


def test_own_csv(tmp_path):
    dataset = own(
        tmp_path,
        "Image,Score,reference,distortion,level,Split",
        "a/1.png,3,scene,blur,2,train",
        "b/1.png,4.5,,,,test",
        images=("photos/a/1.png", "photos/b/1.png", "photos/scene.png"),
    )
    found = dataset.read_labels(tmp_path)
    assert found["image"].tolist() == ["photos/a/1.png", "photos/b/1.png"]
    assert found["reference"].tolist() == ["scene", ""]
    assert found["distortion"].tolist() == ["blur", ""]
    assert found["level"].tolist() == ["2", ""]
    assert found["official"].tolist() == ["train", "test"]
    assert found["group"].tolist() == ["blur", ""]
    assert verify(dataset, tmp_path)["counts"] == {
        "images": 2,
        "references": 1,
        "without_label": 1,
    }
    cameras = own(tmp_path, "image,label,distortion,group", "a/1.png,3,blur,phone A")
    assert cameras.read_labels(tmp_path)["group"].tolist() == ["phone A"]


@pytest.mark.parametrize("column", ["label", "score", "MOS"])
def test_own_labels_may_be_called_scores(tmp_path, column):
    dataset = own(tmp_path, f"image,{column}", "a.png,3", images=("a.png",))
    assert dataset.read_labels(tmp_path)["raw_label"].tolist() == [3]


def test_own_labels_are_one_column(tmp_path):
    dataset = own(tmp_path, "image,score,mos", "a.png,3,4", images=("a.png",))
    with pytest.raises(DpamError, match="found score and mos; call the one that is meant l"):
        dataset.read_labels(tmp_path)
    # Also with empty columns, as of a sheet that was wider once.
    dataset = own(tmp_path, "image,score,label,,", "a.png,3,4,,", images=("a.png",))
    assert dataset.read_labels(tmp_path)["raw_label"].tolist() == [4]


def test_own_text(tmp_path):
    miniatures.write_text(tmp_path / "labels.txt", "my photo (1).jpg 0.5", "", "2.png 1e-1")
    miniatures.write_image(tmp_path / "photos" / "my photo (1).jpg")
    miniatures.write_image(tmp_path / "photos" / "2.PNG", 1)
    dataset = find("mine", {**OWN, "labels": "labels.txt", "images": "photos"})
    found = dataset.read_labels(tmp_path)
    assert found["image"].tolist() == ["photos/my photo (1).jpg", "photos/2.PNG"]
    assert found["raw_label"].tolist() == [0.5, 0.1]
    assert verify(dataset, tmp_path)["counts"]["images"] == 2


def test_own_dataset_has_the_facts_of_its_settings():
    dataset = find(
        "mine",
        {**OWN, "title": "Mine", "network_input": "crop", "recipe": {"size": [8, 6], "count": 5}},
    )
    assert (dataset.title, dataset.network_input, dataset.label_kind) == ("Mine", "crop", "MOS")
    assert dataset.score_range == (0.0, 10.0)
    assert not dataset.higher_is_better
    assert dataset.recipe == replace(DATASETS["livec"].recipe, size=(8, 6), count=5)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, r"labels: missing\n.*score_range: missing\n.*higher_is_better: missing"),
        ({**OWN, "colour": 1}, "colour: unknown"),
        ({**OWN, "score_range": [1, 1]}, "low < high"),
        ({**OWN, "score_range": 5}, "low < high"),
        ({**OWN, "higher_is_better": "yes"}, "expected true or false"),
        ({**OWN, "network_input": "half"}, "expected whole or crop"),
        ({**OWN, "images": "../elsewhere"}, "under the dataset's root"),
        ({**OWN, "recipe": {"colour": 1}}, r"recipe\.colour: unknown"),
    ],
)
def test_wrong_settings_of_an_own_dataset(settings, message):
    with pytest.raises(DpamError, match=message):
        find("mine", settings)


def test_own_levels_and_distortions_must_be_usable(tmp_path):
    dataset = own(
        tmp_path,
        "image,label,distortion,level",
        "1.png,3,blur,high",
        "2.png,3,a/b,1",
        images=("1.png", "2.png"),
    )
    with pytest.raises(DpamError, match=r"1\.png.*high`\n.*2\.png.*a/b"):
        dataset.read_labels(tmp_path)


def test_names_of_datasets():
    with pytest.raises(DpamError, match=r"no such dataset; known are live, csiq, tid2013"):
        find("imagenet")
    with pytest.raises(DpamError, match="give your own another name"):
        find("live", OWN)


def test_files_that_differ_only_by_case_are_told_apart(tmp_path):
    dataset = own(tmp_path, "image,label", "a.png,1", "A.png,2", images=("a.png", "A.png"))
    assert dataset.read_labels(tmp_path)["image"].tolist() == ["a.png", "A.png"]


def test_folders_that_are_links_are_entered_once(tmp_path):
    dataset = own(tmp_path, "image,label", "a.png,1", "b.png,2", images=("photos/a.png",))
    miniatures.write_image(tmp_path.parent / f"{tmp_path.name}-more/b.png", 1)
    (tmp_path / "more").symlink_to(tmp_path.parent / f"{tmp_path.name}-more")
    (tmp_path / "photos/again").symlink_to(tmp_path)
    assert verify(dataset, tmp_path)["folders"] == {"more": 1, "photos": 1}


def test_hidden_files_are_no_images(tmp_path):
    dataset = own(tmp_path, "image,label", "a.png,1", images=("a.png", "._a.png", "__MACOSX/a.png"))
    assert verify(dataset, tmp_path)["counts"]["images"] == 1


@pytest.mark.parametrize("ending", ["gif", "jp2", "ppm", "avif", "jfif", "TIF", "webp"])
def test_all_kinds_of_images_that_are_read_are_found(tmp_path, ending):
    if not is_image_name(f"a.{ending}"):
        pytest.skip(f"this Pillow does not read .{ending}")
    dataset = own(tmp_path, "image,label", f"a.{ending},1", "b.png,2", images=("b.png",))
    Image.new("RGB", (40, 50), "red").save(tmp_path / f"a.{ending}", format=FORMATS.get(ending))
    assert verify(dataset, tmp_path)["counts"]["images"] == 2


def test_why_a_labelled_image_is_missing(tmp_path):
    dataset = own(
        tmp_path,
        "image,label",
        *("1.png,1", ".hidden.png,1", "photo.heic,1", "photo.xyz,1", "2,1", "gone.png,1"),
        images=("a/1.png", "b/1.png", ".hidden.png", "2.png"),
    )
    for name in ("photo.heic", "photo.xyz"):
        (tmp_path / name).write_bytes(b"of another kind")
    with pytest.raises(DpamError) as caught:
        verify(dataset, tmp_path)
    for line in (
        "1.png: may be a/1.png or b/1.png; the labels must say its path [missing_image]",
        ".hidden.png: is there, but hidden files are passed over; rename it [missing_image]",
        "photo.xyz: is there, but is of no kind that is read here [missing_image]",
        "2: has a label but is not there; is 2.png meant? Names need their ending [missing_image]",
        "gone.png: has a label but is not there [missing_image]",
    ):
        assert f"  - {line}\n" in str(caught.value)
    if not HEIF:
        assert "photo.heic: is there, but is of no kind that is read here; HEIC needs a plugin" in (
            str(caught.value)
        )


@pytest.mark.parametrize(
    ("name", "start", "words"),
    [
        (
            "mine.csv",
            b"PK\x03\x04\x14\x00",
            "found an Excel or OpenDocument workbook; save its",
        ),
        (
            "mine.xlsx",
            b"PK\x03\x04\x14\x00",
            "found an Excel or OpenDocument workbook; save its",
        ),
        ("mine.xls", b"\xd0\xcf\x11\xe0\xa1\xb1", "found an old Excel workbook; save its"),
        ("mine.mat", b"MATLAB 5.0 MAT-file", "found a MATLAB or HDF5 file; in MATLAB, writetable"),
        ("mine.mat", b"MATLAB 7.3 MAT-file", "found a MATLAB or HDF5 file; in MATLAB, writetable"),
        ("mine.mat", b"\x89HDF\r\n\x1a\n", "found a MATLAB or HDF5 file; in MATLAB, writetable"),
        ("mine.csv", b"image;label\na.png;0,5\n", "found semicolons; write commas there, and"),
        ("mine.csv", b"\xef\xbb\xbfimage\tlabel\na.png\t1\n", "found tabs; write commas there"),
    ],
)
def test_tables_of_other_programs_say_what_helps(tmp_path, name, start, words):
    miniatures.write_image(tmp_path / "a.png")
    (tmp_path / name).write_bytes(start + bytes(600))
    with pytest.raises(DpamError, match=words) as caught:
        find("mine", {**OWN, "labels": name}).read_labels(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_matlab_file_of_the_new_kind_says_how_to_save_it(tmp_path):
    miniatures.livec(tmp_path)
    head = b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM"
    (tmp_path / "ChallengeDB_release/Data/AllMOS_release.mat").write_bytes(head + bytes(600))
    with pytest.raises(DpamError, match=r"AllMOS_release.mat: a MATLAB 7.3 file.*'-v7'"):
        DATASETS["livec"].read_labels(tmp_path)


def test_all_problems_are_listed(tmp_path):
    dataset = own(
        tmp_path,
        "image,label",
        "good.png,1",
        "corrupt.png,2",
        "cut.jpg,3",
        "gone.png,4",
        images=("good.png", "corrupt.png", "cut.jpg", "stray.png"),
    )
    (tmp_path / "corrupt.png").write_bytes(b"no picture")
    cut = (tmp_path / "cut.jpg").read_bytes()
    (tmp_path / "cut.jpg").write_bytes(cut[: len(cut) - 40])
    with pytest.raises(DpamError) as caught:
        verify(replace(dataset, images=5, references=1), tmp_path)
    message = str(caught.value)
    assert "6 problem(s)" in message
    assert "gone.png: has a label but is not there" in message
    assert "stray.png: has no label" in message
    assert "corrupt.png: does not decode" in message
    assert "cut.jpg: does not decode" in message
    assert "labelled images: found 4, expected 5 [wrong_count]" in message
    assert "references: found 0, expected 1 [wrong_count]" in message
    assert "good.png" not in message


def test_no_labels_at_all(tmp_path):
    dataset = own(tmp_path, "image,label", images=("a.png",))
    with pytest.raises(DpamError, match=r"mine\.csv: holds no labels"):
        verify(dataset, tmp_path)


def test_duplicates_are_reported_and_the_fingerprint_sees_every_change(tmp_path):
    dataset = own(tmp_path, "image,label", "a.png,1", "b.png,2", images=("a.png", "b.png"))
    first = verify(dataset, tmp_path)
    assert first["findings"] == []
    assert verify(dataset, tmp_path)["fingerprint"] == first["fingerprint"]
    miniatures.write_image(tmp_path / "b.png", 0)
    second = verify(dataset, tmp_path)
    assert second["findings"] == ["a.png: has the same content as b.png [same_content]"]
    own(tmp_path, "image,label", "a.png,1", "b.png,3")
    third = verify(dataset, tmp_path)
    assert len({found["fingerprint"] for found in (first, second, third)}) == 3


def test_no_torch():
    modules = (
        "dpam.datasets, dpam.datasets.verification, dpam.datasets.labels, dpam.datasets.splits, "
    )
    modules += (
        "dpam.commands.verify_download, dpam.commands.normalise_labels, dpam.commands.draw_splits, "
    )
    modules += "dpam.commands.download, dpam.commands.datasets"
    code = f"import sys, {modules}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
