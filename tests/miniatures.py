"""Miniature copies of the datasets in their native layouts, written by the tests that use them."""

import dataclasses
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import openpyxl
from PIL import Image
from scipy.io import savemat

from dpam.datasets import DATASETS, Dataset

Row = tuple[str, str, str, str, float]  # image, reference, distortion, level, raw score


def write_image(path: Path, number: int = 0) -> None:
    """A tiny picture; its colour, and so its content, depends on `number`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (36, 32), (number % 256, number // 256, 7)).save(path)


def write_text(path: Path, *lines: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def cells(texts: list[str]) -> np.ndarray:
    array = np.empty((len(texts), 1), dtype=object)
    array[:, 0] = texts
    return array


def smaller(name: str, rows: list[Row]) -> Dataset:
    """The dataset, expecting as many images and references as the miniature has."""
    dataset = DATASETS[name]
    references = len({row[1] for row in rows}) if dataset.references else None
    sides = (32, 36) if dataset.sides else None
    return dataclasses.replace(dataset, images=len(rows), references=references, sides=sides)


def live(root: Path, realigned: bool = True) -> list[Row]:
    """All 982 entries; every fifth or so is an original, 203 in all."""
    home = root / "databaserelease2"
    counts = {"jp2k": 227, "jpeg": 233, "wn": 174, "gblur": 174, "fastfading": 174}
    kinds = ["jpeg2000", "jpeg", "white_noise", "gaussian_blur", "fast_fading"]
    total = sum(counts.values())
    originals = np.zeros(total, dtype=np.uint8)
    originals[np.linspace(0, total - 1, 203).round().astype(int)] = 1
    scores = np.where(originals, 0.0, np.linspace(-2.64, 111.77, total).round(3))
    references = [f"Scene{number % 29:02d}.bmp" for number in range(total)]
    rows: list[Row] = []
    entry = 0
    for (folder, count), kind in zip(counts.items(), kinds, strict=True):
        for number in range(1, count + 1):
            write_image(home / folder / f"img{number}.bmp", entry)
            if not originals[entry]:
                image = f"databaserelease2/{folder}/img{number}.bmp"
                reference = references[entry].lower().removesuffix(".bmp")
                rows.append((image, reference, kind, "", float(scores[entry])))
            entry += 1
    write_image(home / "refimgs" / "Scene00.bmp", 5000)
    savemat(home / "refnames_all.mat", {"refnames_all": cells(references).T})
    savemat(home / "dmos.mat", {"dmos": scores[None] / 2, "orgs": originals[None]})
    if realigned:
        savemat(home / "dmos_realigned.mat", {"dmos_new": scores[None], "orgs": originals[None]})
    return rows


CSIQ_ROWS = [
    # workbook: reference, type, level; folder and type in the file name; our type; DMOS
    (1600, "noise", 1, "awgn", "AWGN", "white_noise", 0.062),
    ("boston", "jpeg", 2, "jpeg", "JPEG", "jpeg", 0.2),
    ("boston", "jpeg 2000", 5, "jpeg2000", "jpeg2000", "jpeg2000", 1.0),
    ("boston", "fnoise", 3, "fnoise", "fnoise", "pink_noise", 0.3),
    (1600, "blur", 4, "blur", "BLUR", "gaussian_blur", 0.0),
    (1600, "contrast", 3, "contrast", "contrast", "contrast_change", 0.4),
]


def csiq(root: Path) -> list[Row]:
    book = openpyxl.Workbook()
    book.active.title = "all_by_distortion"
    book.active["A1"] = "other numbers"
    sheet = book.create_sheet("all_by_image")
    sheet["D2"] = "CSIQ subjective ratings"
    heads = ["image", "dst_idx", "dst_type", "dst_lev", "dmos_std", "dmos"]
    for column, head in enumerate(heads, 4):
        sheet.cell(4, column, head)
    rows: list[Row] = []
    for number, (name, kind, level, folder, spelling, ours, score) in enumerate(CSIQ_ROWS):
        for column, cell in enumerate([name, 1, kind, level, 0.05, score], 4):
            sheet.cell(5 + number, column, cell)
        image = f"dst_imgs/{folder}/{name}.{spelling}.{level}.png"
        write_image(root / image, number)
        rows.append((image, str(name), ours, str(level), score))
    write_image(root / "src_imgs" / "boston.png", 99)
    book.save(root / "CSIQ.dmos.xlsx")
    return rows


def csiq_authors(root: Path) -> list[Row]:
    rows: list[Row] = []
    for number, (name, _, level, _, spelling, ours, score) in enumerate(CSIQ_ROWS):
        image = f"CSIQ/dist_imgs/{name}.{spelling}.{level}.png"
        write_image(root / image, number)
        rows.append((image, str(name), ours, str(level), score))
    write_text(root / "CSIQ" / "csiq_label.txt", *(f"{Path(row[0]).name} {row[4]}" for row in rows))
    return rows


def tid2013(root: Path) -> list[Row]:
    rows: list[Row] = [
        ("Distorted_images/I01_01_1.BMP", "I01", "white_noise", "1", 5.51429),
        ("Distorted_images/i01_24_5.bmp", "I01", "sparse_sampling", "5", 0.24),
        ("Distorted_images/I25_08_3.bmp", "I25", "gaussian_blur", "3", 7.21),
    ]
    for number, row in enumerate(rows):
        write_image(root / row[0], number)
    names = ["i01_01_1.bmp", "I01_24_5.bmp", "I25_08_3.bmp"]
    write_text(
        root / "mos_with_names.txt",
        *(f"{row[4]} {name}" for row, name in zip(rows, names, strict=True)),
    )
    write_text(root / "MOS_std.txt", "0.1", "0.2", "0.3")
    write_image(root / "reference_images" / "I01.BMP", 99)
    return rows


def kadid10k(root: Path) -> list[Row]:
    rows: list[Row] = [
        ("kadid10k/images/I01_01_01.png", "I01", "gaussian_blur", "1", 4.57),
        ("kadid10k/images/I01_25_05.png", "I01", "contrast_change", "5", 1.0),
        ("kadid10k/images/I81_10_03.png", "I81", "jpeg", "3", 2.5),
    ]
    for number, row in enumerate(rows):
        write_image(root / row[0], number)
    for number in (1, 2, 81):  # I02 stands for a reference of which no distortion is labelled
        write_image(root / "kadid10k" / "images" / f"I{number:02d}.png", 200 + number)
    lines = [
        f"{Path(image).name},{reference}.png,{score},0.49" for image, reference, *_, score in rows
    ]
    write_text(root / "kadid10k" / "dmos.csv", "dist_img,ref_img,dmos,var", *lines)
    return rows


def livec(root: Path) -> list[Row]:
    home = root / "ChallengeDB_release"
    names = [f"t{number}.bmp" for number in range(1, 8)] + ["3.bmp", "10.JPG", "1169.bmp"]
    scores = np.array([50.0] * 7 + [3.42, 92.43, 60.1])
    for number, name in enumerate(names):
        folder = "Images/trainingImages" if name.startswith("t") else "Images"
        write_image(home / folder / name, number)
    folder = home / "Data"
    folder.mkdir()
    savemat(folder / "AllImages_release.mat", {"AllImages_release": cells(names)})
    savemat(folder / "AllMOS_release.mat", {"AllMOS_release": scores[None]})
    savemat(folder / "AllStdDev_release.mat", {"AllStdDev_release": scores[None] / 10})
    return [
        (f"ChallengeDB_release/Images/{name}", "", "", "", float(score))
        for name, score in zip(names[7:], scores[7:], strict=True)
    ]


def livec_authors(root: Path) -> list[Row]:
    rows: list[Row] = [
        ("LIVEC/images/3.bmp", "", "", "", 3.42),
        ("LIVEC/images/10.JPG", "", "", "", 92.43),
    ]
    for number, row in enumerate(rows):
        write_image(root / row[0], number)
    write_text(root / "LIVEC" / "LIVEC_labels.txt", "3.bmp 3.42", "10.jpg\t92.43", "")
    return rows


def koniq10k(root: Path, sets: bool = False) -> list[Row]:
    rows: list[Row] = [
        ("1024x768/826373.jpg", "", "", "", 3.9),
        ("1024x768/10.JPG", "", "", "", 1.096),
    ]
    for number, row in enumerate(rows):
        write_image(root / row[0], number)
    names = [Path(row[0]).name.lower() for row in rows]
    if sets:  # MOS is the z-score here; the score on the scale of the votes is in the votes
        write_text(
            root / "koniq10k_distributions_sets.csv",
            "image_name,c1,c2,c3,c4,c5,c_total,MOS,SD,set",
            f"{names[0]},0,0.1,0.1,0.6,0.2,100,77.38,0.5,training",
            f"{names[1]},0.952,0,0.048,0,0,125,1.93,0.5,test",
        )
    else:
        write_text(
            root / "koniq10k_scores_and_distributions.csv",
            '"image_name",c1,c2,c3,c4,c5,c_total,MOS,SD,MOS_zscore',
            *(
                f'"{name}",0,1,2,3,4,10,{row[4]},0.5,80.1'
                for name, row in zip(names, rows, strict=True)
            ),
        )
    return rows


def spaq(root: Path) -> list[Row]:
    rows: list[Row] = [
        ("TestImage/00001.jpg", "", "", "", 35.2),
        ("TestImage/11125.jpg", "", "", "", 96.0),
    ]
    for number, row in enumerate(rows):
        write_image(root / row[0], number)
    book = openpyxl.Workbook()
    book.active.append(["Image name", "MOS", "Brightness", "Colorfulness"])
    for row in rows:
        book.active.append([Path(row[0]).name, row[4], 50, 50])
    (root / "Annotations").mkdir()
    book.save(root / "Annotations" / "MOS and Image attribute scores.xlsx")
    return rows


def biq2021(root: Path) -> list[Row]:
    rows: list[Row] = [
        ("Images/ss01 (1004).jpg", "", "", "", 0.4869),
        ("Images/ss02 (1014).JPG", "", "", "", 0.6069),
        ("Images/ss03 (7).jpg", "", "", "", 1.0),
    ]
    for number, row in enumerate(rows):
        write_image(root / row[0], number)
    write_text(
        root / "Train (Images and MOS).csv",
        "Image Name,MOS,,",
        "ss01 (1004).jpg,0.4869,,",
        "ss02 (1014).jpg,0.6069,,",
    )
    write_text(root / "Test (Images and MOS).csv", "Image Name,MOS", "ss03 (7).jpg,1")
    return rows


@contextmanager
def nobody() -> Iterator[None]:
    """Root may read everything: become another user for a while."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(before)
