"""Photographs on their way to a score: decoded and prepared in threads, then scored in batches."""

import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial

from tqdm.contrib.logging import logging_redirect_tqdm

from dpam.errors import DpamError
from dpam.inference.explanations import Explanation, Picture, picture
from dpam.inference.score_table import Row
from dpam.inference.scorer import Scorer
from dpam.inference.sources import Source
from dpam.pack.preparation import Prepared
from dpam.pack.preparing import CPU, prepare
from dpam.utils.parallel import in_order
from dpam.utils.progress import track

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Job:
    """A photograph ready for the network, and what maps and pages show of it."""

    name: str
    prepared: Prepared
    picture: Picture | None


def job(source: Source | DpamError, scorer: Scorer, side: int | None) -> Job | DpamError:
    """Decode and prepare one photograph; an error is handed back. `side` is as for `Run`."""
    if isinstance(source, DpamError):
        return source
    try:
        rgb = source.read(scorer.preparation)
    except DpamError as error:
        return error
    where = scorer.device if scorer.preparation.uses_gpu else CPU
    prepared, segmentation = prepare(rgb, scorer.preparation, where)
    shown, size = None, scorer.preparation.image_size
    if side is not None:
        shown = picture(rgb, prepared, segmentation, size, scorer.views, side)
    return Job(source.name, prepared, shown)


class Run:
    """Scores photographs and counts them.

    Attributes:
        scorer: who scores.
        scored: how many have a score.
        failures: a line for each that has none.
        started: when it began, of `time.monotonic`.
    """

    def __init__(
        self,
        scorer: Scorer,
        total: int | None,
        workers: int,
        batch_size: int | None,
        side: int | None,
        explain: Callable[[Row, Explanation], None],
    ) -> None:
        """Nothing is scored yet.

        Args:
            scorer: who scores.
            total: how many photographs there are, if that is known.
            workers: threads that decode and prepare.
            batch_size: views in a batch; None: as `Scorer.predict_views` chooses.
            side: pixels of the longer side of the pictures that `explain` gets; None: it is not
                called.
            explain: called with each photograph's row and what tells where its quality is lost.
        """
        self.scorer, self.total, self.workers, self.batch_size = scorer, total, workers, batch_size
        self.side, self.explain = side, explain
        self.scored = 0
        self.failures: list[str] = []
        self.started = time.monotonic()

    def rows(self, found: Iterable[Source | DpamError]) -> Iterator[Row]:
        """A row for each photograph that can be read."""
        scorer = self.scorer
        on_gpu = scorer.preparation.uses_gpu and scorer.device.type == "cuda"
        work = partial(job, scorer=scorer, side=self.side)
        jobs = in_order(work, found, 1 if on_gpu else self.workers)
        waiting: deque[Job] = deque()

        def prepare_each() -> Iterator[Prepared]:
            for result in track(jobs, "scoring", self.total):
                if isinstance(result, DpamError):
                    self.failures.append(" ".join(str(result).splitlines()))
                    with logging_redirect_tqdm():  # below the bar
                        log.warning("%s", result)
                    continue
                waiting.append(result)
                yield result.prepared

        maps = self.side is not None
        for prediction in scorer.predict_views(prepare_each(), self.batch_size, maps):
            done = waiting.popleft()
            rated = scorer.score_of(prediction)
            self.scored += 1
            row = Row(done.name, **vars(rated))
            if done.picture is not None:
                self.explain(row, Explanation(rated, prediction, done.picture))
            yield row
