"""LIVE release 2: 29 references, 5 distortion types; Sheikh, Sabir, Bovik, TIP 2006.

DMOS are scaled z-scores without fixed ends. The declared range, -5 to 115, is ours: the scores of
the 779 images run from -2.64 to 111.77 after realignment (`dmos_realigned.mat`, preferred where
it is there), and from 0 to about 100 before (`dmos.mat`).
"""

from collections.abc import Iterator

import pandas as pd

from dpam.datasets.csiq import CSIQ
from dpam.datasets.dataset import Dataset
from dpam.datasets.layout import Files
from dpam.datasets.native import native_table, read_mat
from dpam.errors import DpamError

# Folders in the order of the label files: number of images, originals among them, and the type.
FOLDERS = {
    "jp2k": (227, "jpeg2000"),
    "jpeg": (233, "jpeg"),
    "wn": (174, "white_noise"),
    "gblur": (174, "gaussian_blur"),
    "fastfading": (174, "fast_fading"),
}


def _entries(files: Files) -> Iterator[tuple[str, str, float, str, bool]]:
    """Image, type, DMOS, reference, and whether it is an undistorted original."""
    path, names_path = files.labels
    scores = "dmos_new" if "realigned" in path.name.lower() else "dmos"
    dmos, originals = read_mat(path, scores, "orgs")
    (names,) = read_mat(names_path, "refnames_all")
    total = sum(count for count, _ in FOLDERS.values())
    if not len(dmos) == len(originals) == len(names) == total:
        raise DpamError(
            f"{path}, {names_path}: expected {total} entries, found "
            f"{len(dmos)} scores, {len(originals)} marks of originals, {len(names)} references"
        )
    entry = 0
    for position, (folder, (count, kind)) in enumerate(FOLDERS.items()):
        for number in range(1, count + 1):
            image = files.image(f"{folder}/img{number}.bmp", position)
            reference = str(names[entry]).strip().rsplit(".", 1)[0].lower()
            yield image, kind, float(dmos[entry]), reference, bool(originals[entry])
            entry += 1


def read(files: Files) -> pd.DataFrame:
    """`dmos_realigned.mat` or `dmos.mat`, and `refnames_all.mat`; originals are left out."""
    images, kinds, scores, references, _ = zip(
        *(entry for entry in _entries(files) if not entry[-1]), strict=True
    )
    return native_table(images, scores, reference=references, distortion=kinds)


def originals(files: Files, _: pd.DataFrame) -> frozenset[str]:
    """Undistorted originals stand among the distorted images."""
    return frozenset(image for image, *_, original in _entries(files) if original)


LIVE = Dataset(
    name="live",
    title="LIVE",
    kind="synthetic",
    images=779,
    references=29,
    label_kind="DMOS",
    score_range=(-5.0, 115.0),
    higher_is_better=False,
    network_input="crop",
    recipe=CSIQ.recipe,
    distortions=tuple(kind for _, kind in FOLDERS.values()),
    page="https://live.ece.utexas.edu/research/quality/subjective.htm",
    terms="on request, by a form",
    licence="for research, to be cited",
    label_files=(("dmos_realigned.mat", "dmos.mat"), ("refnames_all.mat",)),
    image_folders=tuple((folder,) for folder in FOLDERS),
    homes=("databaserelease2", "live", "live/databaserelease2"),
    sides=(400, 800),
    megapixels=0.37,
    reader=read,
    unlabelled=originals,
)
