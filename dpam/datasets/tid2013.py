"""TID2013: 25 references, 24 distortion types, 5 levels; Ponomarenko et al., SPIC 2015."""

import pandas as pd

from dpam.datasets.dataset import Dataset, Download, Recipe
from dpam.datasets.layout import Files
from dpam.datasets.native import native_table, read_named_labels, reference_type_level
from dpam.errors import DpamError

# In the order of the type numbers in the file names: I01_03_2.bmp is reference 1, type 3, level 2.
DISTORTIONS = (
    "white_noise",
    "white_noise_color_component",
    "spatially_correlated_noise",
    "masked_noise",
    "high_frequency_noise",
    "impulse_noise",
    "quantization",
    "gaussian_blur",
    "denoise",
    "jpeg",
    "jpeg2000",
    "jpeg_transmission_errors",
    "jpeg2000_transmission_errors",
    "non_eccentricity_patch",
    "color_block",
    "mean_shift",
    "contrast_change",
    "color_saturation",
    "multiplicative_noise",
    "comfort_noise",
    "lossy_compression_of_noisy_image",
    "color_quantization_with_dither",
    "chromatic_aberration",
    "sparse_sampling",
)


def read(files: Files) -> pd.DataFrame:
    """`mos_with_names.txt` (label first) with `mos_std.txt`, or `<image> <label>` lines."""
    path = files.labels[0]
    native = path.name.lower() == "mos_with_names.txt"
    labels = read_named_labels(path, label_first=native)
    deviations = files.beside(path, "mos_std.txt") if native else None
    spread = None
    if deviations is not None:
        spread = deviations.read_text(encoding="utf-8").split()
        if len(spread) != len(labels):
            raise DpamError(f"{deviations}: expected {len(labels)} lines, found {len(spread)}")
    return native_table(
        [files.image(name) for name in labels["image"]],
        labels["label"],
        **reference_type_level(path, labels["image"], DISTORTIONS),
        raw_std=spread,
    )


TID2013 = Dataset(
    name="tid2013",
    title="TID2013",
    kind="synthetic",
    images=3_000,
    references=25,
    label_kind="MOS",
    score_range=(0.0, 9.0),
    higher_is_better=True,
    network_input="crop",
    recipe=Recipe(size=None, count=99, pixels=600, region_size=45),
    distortions=DISTORTIONS,
    page="https://www.ponomarenko.info/tid2013.htm",
    terms="free download",
    licence="for education and research, to be cited",
    label_files=(("mos_with_names.txt", "tid2013*label*.txt", "labels.txt"),),
    image_folders=(("distorted_images",),),
    homes=("tid2013",),
    sides=(384, 512),
    downloads=(
        Download(
            "https://www.ponomarenko.info/tid2013/tid2013.rar",
            "tid2013.rar",
            # As dm_nevis (DeepMind, 2022) checks it in its handler of TID2013.
            known_hash="md5:2c42bec2407adc49cf4d7858daf8f99b",
        ),
    ),
    megapixels=0.2,
    reader=read,
)
