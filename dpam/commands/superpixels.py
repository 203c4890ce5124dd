"""Superpixels of your own photographs, to look at.

For each photograph two files are written to --output-dir, named after it without its ending:
NAME-METHOD.png, the photograph with the superpixels' borders drawn, and NAME-METHOD-labels.png, the
label map (16-bit grey; equal values are one superpixel). A table is printed: the number of
superpixels, the share of the colours' variance that their means explain, and their compactness
(squares have 0.785).

A photograph that cannot be read is named at the end; then the exit status is 3.

    dpam superpixels photograph.jpg
    dpam superpixels photographs/ --method rim --rim paper
"""

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path

from dpam.commands.arguments import add_superpixels, positive
from dpam.errors import SOME_FAILED, DpamError, error_of_many
from dpam.imaging.folders import image_files
from dpam.utils.files import atomic, printable, refuse_existing
from dpam.utils.progress import track

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    parser.add_argument("photographs", nargs="+", type=Path, help="image files, or folders of them")
    add_superpixels(parser)
    parser.add_argument(
        "--region-size",
        type=positive,
        default=45,
        help="of slic and ainet: side of a superpixel, pixels",
    )
    parser.add_argument("--output-dir", type=Path, default=Path(), help="folder for the pictures")


def run(args: argparse.Namespace) -> int:
    """Run the stage; returns the exit status."""
    import numpy as np
    import pandas as pd
    from PIL import Image

    from dpam.figures.photographs import draw_borders
    from dpam.pack.preparation import Preparation, read_photograph
    from dpam.superpixels.methods import segment
    from dpam.superpixels.quality import compactness, explained_variation
    from dpam.utils.runtime import device

    preparation = Preparation(
        network_input="whole",
        image_size=224,
        method=args.method,
        superpixels=1,
        superpixel_size=None,
        region_size=args.region_size,
        compactness=10,
        iterations=10,
        backend=args.backend,
        rim=args.rim,
        ainet=args.ainet,
    )
    rows = []
    failures: list[str] = []
    files, passed = image_files(args.photographs)
    drawn = [args.output_dir / f"{path.stem}-{args.method}.png" for path in files]
    refuse_namesakes(files, drawn)
    label_maps = [path.with_name(f"{path.stem}-labels.png") for path in drawn]
    refuse_existing([*drawn, *label_maps])
    for path, *pictures in zip(track(files, "segmenting"), drawn, label_maps, strict=True):
        try:
            rgb = read_photograph(path)
        except DpamError as error:
            failures.append(str(error))
            continue
        segmentation = segment([rgb], preparation, device())[0]
        image, labels = segmentation.image, segmentation.label_map
        for picture, pixels in zip(pictures, (draw_borders(image, labels), labels), strict=True):
            with atomic(picture) as temporary:
                Image.fromarray(pixels).save(temporary)
        rows.append(
            {
                "image": printable(path.name),
                "width": labels.shape[1],
                "height": labels.shape[0],
                "superpixels": int(labels.max()) + 1,
                "smallest": int(np.bincount(labels.reshape(-1)).min()),
                "largest": int(np.bincount(labels.reshape(-1)).max()),
                "explained": round(explained_variation(labels, image), 3),
                "compactness": round(compactness(labels), 3),
            }
        )
    if rows:
        print(pd.DataFrame(rows).to_string(index=False))
    if passed:
        log.info("%s", passed)
    if failures:
        title = f"{len(failures)} of {len(files)} photographs were not segmented"
        log.error("%s", error_of_many(title, failures))
        return SOME_FAILED
    return 0


def refuse_namesakes(files: Sequence[Path], drawn: Sequence[Path]) -> None:
    """Raise a DpamError if two photographs would be drawn as one file."""
    named: dict[Path, Path] = {}
    for file, picture in zip(files, drawn, strict=True):
        if picture in named:
            raise DpamError(
                f"{named[picture]} and {file} would both be drawn as {picture}; name them in two "
                "commands, each with an --output-dir of its own"
            )
        named[picture] = file
