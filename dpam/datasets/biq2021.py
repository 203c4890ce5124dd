"""BIQ2021: 12,000 photographs with authentic faults; Ahmed, Asif, JEI 2022."""

import pandas as pd

from dpam.datasets.dataset import Dataset, Download
from dpam.datasets.layout import Files
from dpam.datasets.livec import LIVEC
from dpam.datasets.native import native_table, read_table


def read(files: Files) -> pd.DataFrame:
    """`Train (Images and MOS).csv` and `Test (Images and MOS).csv`: the official split.

    Names tell the sub-collection: ss01 snapshots, ss02, ss03 photographs of Unsplash.
    """
    tables = [
        read_table(path, ["image name", "mos"]).assign(official=subset)
        for path, subset in zip(files.labels, ("train", "test"), strict=True)
    ]
    columns = ["image name", "mos", "official"]
    labels = pd.concat([table[columns] for table in tables], ignore_index=True)
    return native_table(
        [files.image(name) for name in labels["image name"]],
        labels["mos"],
        group=labels["image name"].str.extract(r"^(ss\d+)")[0].fillna(""),
        official=labels["official"],
    )


BIQ2021 = Dataset(
    name="biq2021",
    title="BIQ2021",
    kind="authentic",
    images=12_000,
    references=None,
    label_kind="MOS",
    score_range=(0.0, 1.0),
    higher_is_better=True,
    network_input="whole",
    recipe=LIVEC.recipe,
    distortions=(),
    page="https://github.com/nisarahmedrana/BIQ2021",
    terms="free to clone",
    licence="no licence is stated by its authors",
    label_files=(("Train (Images and MOS).csv",), ("Test (Images and MOS).csv",)),
    image_folders=(("Images",),),
    homes=("BIQ2021", "BIQ2021-main", "BIQ2021-master"),
    official=True,
    # The archive of the repository as it is now: GitHub packs it anew, so its hash may change.
    downloads=(
        Download(
            "https://github.com/nisarahmedrana/BIQ2021/archive/refs/heads/main.zip",
            "BIQ2021-main.zip",
        ),
    ),
    megapixels=0.26,
    reader=read,
)
