"""A copy of the repository in which the workflow can run, and be edited."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

TOP = Path(__file__).resolve().parent.parent.parent
CONFIGURATION = ["workflow/presets/demo.yaml", "tiny.yaml"]
PARTS = ["Snakefile", "config.yaml", "workflow", "profiles", "envs", "dpam"]


class Checkout:
    """A copy of what the workflow consists of."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in PARTS:
            source, target = TOP / name, folder / name
            if source.is_dir():
                shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, target)

    def snakemake(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run Snakemake here, with this copy of the package before the installed one."""
        programs = Path(sys.executable).parent
        environment = {
            **os.environ,
            "PYTHONPATH": str(self.folder),
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        }
        return subprocess.run(
            [str(programs / "snakemake"), *arguments],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )

    def take_photographs(self) -> None:
        """The dataset `mine` of tiny.yaml: 15 smooth pictures and their scores."""
        folder = self.folder / "photographs"
        folder.mkdir()
        rows = ["image,score"]
        for number in range(15):
            coarse = np.random.default_rng(number).integers(0, 256, (8, 12, 3), dtype=np.uint8)
            picture = Image.fromarray(coarse).resize((96, 64), Image.Resampling.BICUBIC)
            picture.save(folder / f"{number}.bmp")  # all of one size in bytes
            rows.append(f"{number}.bmp,{number}")
        (folder / "scores.csv").write_text("\n".join(rows) + "\n")

    def planned(self, *configfiles: str) -> set[str]:
        """Names of the rules that would run, less the one that only gathers targets."""
        answer = self.snakemake("-n", "--configfile", *configfiles)
        assert answer.returncode == 0, answer.stderr
        rows = answer.stdout.partition("Job stats:")[2].partition("\n\n")[0].splitlines()
        names = {row.split()[0] for row in rows[3:]}
        return names - {"all", "total"}
