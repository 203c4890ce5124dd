"""Time and memory of packing a dataset, against its number of images.

The datasets are crops of the photographs that installed packages ship, saved as JPEG of 512x384 in
a temporary folder and packed as for crops, by `dpam pack-superpixels`. Time is of the whole
command; memory is that of its largest process.

    python benchmarks/packing.py --images 100 1000 10000
"""

import argparse
import json
import os
import resource
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from dpam.demo.photographs import PHOTOGRAPHS, load
from dpam.utils.progress import track

WIDTH, HEIGHT = 512, 384
CUSTOM = {"labels": "labels.csv", "score_range": [0, 1], "higher_is_better": True}


def make_images(folder: Path, count: int) -> None:
    """Crops of the photographs, no two of which are alike."""
    rng = np.random.default_rng(20)
    photographs = [
        image.resize((max(WIDTH + 64, image.width), max(HEIGHT + 64, image.height)))
        for image in map(load, PHOTOGRAPHS)
    ]
    for number in track(range(count), "making images"):
        image = photographs[number % len(photographs)]
        left = int(rng.integers(image.width - WIDTH + 1))
        top = int(rng.integers(image.height - HEIGHT + 1))
        crop = image.crop((left, top, left + WIDTH, top + HEIGHT))
        crop.save(folder / f"{number:06d}.jpg", quality=int(rng.integers(60, 96)))


def pack(folder: Path, count: int, processes: int) -> tuple[float, int]:
    """Seconds of packing the first `count` images, and the pack's bytes."""
    names = [f"{number:06d}.jpg" for number in range(count)]
    labels = pd.DataFrame({"image": names, "label": 0.5, "label_kind": "none"})
    labels.to_csv(folder / "labels.csv", index=False)
    (folder / "verified.json").write_text(json.dumps({"fingerprint": f"{count} images"}))
    output = folder / f"{count}.h5"
    command = ["dpam", "pack-superpixels", "images", "--root", str(folder)]
    command += ["--custom", json.dumps(CUSTOM | {"network_input": "crop"})]
    command += ["--labels", str(folder / "labels.csv"), "--verified", str(folder / "verified.json")]
    command += ["--image-size", "224", "--threads", str(processes), "--output", str(output)]
    start = time.perf_counter()
    subprocess.run(command, check=True)
    seconds = time.perf_counter() - start
    size = output.stat().st_size
    output.unlink()
    return seconds, size


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, nargs="+", default=[100, 1000])
    counts = sorted(parser.parse_args().images)
    processes = len(os.sched_getaffinity(0))
    print(f"{processes} processes; load before: {os.getloadavg()[0]:.1f}")
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        make_images(Path(folder), counts[-1])
        pack(Path(folder), 10, processes)  # what numba compiles is on disk from now on
        for count in counts:
            seconds, size = pack(Path(folder), count, processes)
            memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
            rows.append(f"| {count:,} | {seconds:.0f} | {memory:.0f} | {size / 1e9:.2f} |")
    print("| images | seconds | largest process, MB | pack, GB |\n|---|---|---|---|")
    print("\n".join(rows))
    print(f"Load after: {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
