"""A photograph to be scored: decoded, prepared, and what maps and a page show of it."""

from dataclasses import dataclass

from dpam.errors import DpamError
from dpam.inference.explanations import SHOWN, Picture, picture
from dpam.inference.gallery import SIDE
from dpam.inference.scorer import Scorer
from dpam.inference.sources import Source
from dpam.pack.preparation import CPU, Prepared, prepare


@dataclass(frozen=True)
class Job:
    """A photograph ready for the network, and what --maps and --page show of it."""

    name: str
    prepared: Prepared
    picture: Picture | None


def job(source: Source | DpamError, scorer: Scorer, maps: bool, page: bool) -> Job | DpamError:
    """Decode and prepare one photograph; an error is handed back."""
    if isinstance(source, DpamError):
        return source
    try:
        rgb = source.read(scorer.preparation)
    except DpamError as error:
        return error
    where = scorer.device if scorer.preparation.uses_gpu else CPU
    prepared, segmentation = prepare(rgb, scorer.preparation, where)
    shown, size = None, scorer.preparation.image_size
    if maps or page:
        side = SHOWN if maps else SIDE
        shown = picture(rgb, prepared, segmentation, size, scorer.views, side)
    return Job(source.name, prepared, shown)
