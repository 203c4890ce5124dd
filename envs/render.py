"""Write envs/dpam.yaml, the conda environment, from pyproject.toml and envs/constraints.txt.

`make pins` calls it after new versions were chosen; a test compares the file with what this says.
"""

import re
import tomllib
from pathlib import Path

HERE = Path(__file__).resolve().parent


def key(name: str) -> str:
    """The name in a requirement, such as `numpy>=2`, as the index compares it."""
    return re.sub(r"[-_.]+", "-", re.split(r"[^\w.-]", name)[0]).lower()


def pins() -> dict[str, str]:
    """Package to `package==version`, of all that the constraints hold."""
    lines = (HERE / "constraints.txt").read_text().split()
    return {key(line.split("==")[0]): line for line in lines}


def rendered() -> str:
    """The text of envs/dpam.yaml."""
    project = tomllib.loads((HERE.parent / "pyproject.toml").read_text())["project"]
    versions = pins()
    extras = [project["optional-dependencies"][name] for name in ("pipeline", "demo", "parquet")]
    names = sum(extras, project["dependencies"])
    return "\n".join(
        [
            "# Made by envs/render.py from pyproject.toml and envs/constraints.txt. Do not edit.",
            "# The package itself is added by dpam.post-deploy.sh.",
            "channels:",
            "  - conda-forge",
            "dependencies:",
            "  - python=3.12",
            "  - pip",
            "  - pip:",
            *(f"      - {versions[key(name)]}" for name in sorted(names, key=str.lower)),
            "",
        ]
    )


if __name__ == "__main__":
    (HERE / "dpam.yaml").write_text(rendered())
