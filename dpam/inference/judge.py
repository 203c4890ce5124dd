"""The judges that come with the package: trained networks, ready to score photographs.

Their weights are checkpoints as any other (see `dpam.model.checkpoint`), of float16; `dpam info`
prints their metadata, docs/judge.md says how they compare.
"""

from pathlib import Path

from dpam.errors import DpamError

WEIGHTS = Path(__file__).resolve().parents[1] / "weights"
FAST = "fast"
JUDGES = {FAST: "judge.safetensors", "fine": "judge_fine.safetensors"}


def judge_file(name: str | None = None) -> Path:
    """The file of a judge's weights.

    Args:
        name: fast, or fine, which ranks better and takes twice as long; None: fast.

    Raises:
        DpamError: there is no such judge, or this copy of the package comes without it.
    """
    name = name or FAST
    if name not in JUDGES:
        raise DpamError(f"judge: expected {' or '.join(JUDGES)}; found {name!r}")
    file = WEIGHTS / JUDGES[name]
    if not file.is_file():
        raise DpamError(
            f"{file}: no such file: this copy of dpam comes without this judge; name a checkpoint "
            "instead"
        )
    return file
