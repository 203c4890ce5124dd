"""The judge that comes with the package: a trained network, ready to score photographs.

Its weights are a checkpoint as any other (see `dpam.model.checkpoint`), of float16; `dpam info`
prints what is to be known of it.
"""

from pathlib import Path

from dpam.errors import DpamError

JUDGE = Path(__file__).resolve().parents[1] / "weights" / "judge.safetensors"


def judge() -> Path:
    """The file of its weights.

    Raises:
        DpamError: this copy of the package has none.
    """
    if not JUDGE.is_file():
        raise DpamError(
            f"{JUDGE}: no such file: this copy of dpam comes without its judge; name a checkpoint "
            "instead"
        )
    return JUDGE
