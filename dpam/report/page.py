"""All results as one HTML page that needs nothing else: no request, no other file, any device.

Its script sorts tables, copies their LaTeX, and makes links of the names of files where the page
lies beside them; a page that was mailed alone has no links that lead nowhere. Without the script,
the page lacks nothing else.
"""

import base64
import hashlib
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
from markupsafe import Markup

from dpam.evaluation.captions import ABOUT_METRICS, is_pseudo
from dpam.evaluation.tables import COLUMNS, of_networks
from dpam.report import cost, data, results, runs
from dpam.report.pictures import FIGURES, picture
from dpam.report.table import link, read_table
from dpam.utils.reading import read_json

FOLDER = Path(__file__).parent
LONG = 40  # rows; a longer table of runs is folded away
STYLE = (FOLDER / "style.css").read_text(encoding="utf-8")
SCRIPT = (FOLDER / "page.js").read_text(encoding="utf-8")


@dataclass(frozen=True)
class Sources:
    """Where a page's contents lie, and what it is about.

    Attributes:
        tables: folder that `dpam tabulate` wrote.
        figures: folder that `dpam plot` wrote.
        benchmarks: folder with Snakemake's benchmark files, RULE/*.tsv.
        results: folder of all results, whose size is told.
        verified: what `dpam verify-download` found in each dataset.
        settings: the configuration that the results were made with.
        as_released: that of the released code's experiment.
        gpu_rules: the rules that ask for a GPU.
        planned: how many tests the configuration asks for.
        machine: `dpam.utils.runtime.record()`.
    """

    tables: Path
    figures: Path
    benchmarks: Path
    results: Path
    verified: list[Path]
    settings: dict[str, Any]
    as_released: dict[str, Any]
    gpu_rules: list[str]
    planned: int | None
    machine: dict[str, Any]


def render(sources: Sources, output: Path) -> str:
    """The page as HTML; jobs.csv and disk.csv are written beside it.

    Args:
        sources: what it shows.
        output: where it will lie; its links to files are relative to that.

    Raises:
        DpamError: a table or a figure is missing, or a file cannot be written.
    """
    tables = sources.tables
    metrics = read_table(tables / "metrics.csv", COLUMNS)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    origins = runs.read_origins(metrics)
    wrong = read_json(sources.figures / "most_wrong.json")
    networks = metrics[of_networks(metrics)]
    splits = list(dict.fromkeys(networks["split"]))
    custom = sources.settings.get("custom", {})
    digest = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
    jobs = cost.jobs(sources.benchmarks, sources.gpu_rules, origins)
    names = dict.fromkeys(metrics["experiment"].astype(str))
    page = environment.get_template("page.html.j2")
    return page.render(
        style=Markup(STYLE),  # noqa: S704 - our own file
        script=Markup(SCRIPT),  # noqa: S704 - our own file
        script_digest=digest,
        place="/".join(output.resolve().parts[-2:]),
        summary=runs.summary(metrics),
        metrics_file=link(tables / "metrics.csv", output),
        partial=partial(metrics, sources.planned),
        overview=runs.overview(metrics, origins, sources.machine),
        deviations=runs.deviations(sources.settings, sources.as_released),
        pseudo=pseudo(metrics),
        near_duplicates=results.near_duplicates(metrics),
        about_metrics=ABOUT_METRICS,
        experiments=[results.experiment(name, tables, output) for name in names],
        significance=results.comparisons(tables, output),
        types=results.types(tables, output),
        figures={name: picture(name, sources.figures, tables, wrong, output) for name in FIGURES},
        wrong=panels(wrong, output),
        cards=[data.card(path, custom, splits, output) for path in sources.verified],
        runs=runs.runs(metrics, tables, output),
        long=LONG,
        cost=cost.cost(jobs, output),
        disk=cost.disk(sources.results, output),
        estimate=cost.estimate(tables, output),
        settings=runs.flatten(sources.settings),
        machine=runs.flatten(sources.machine),
    )


def partial(metrics: pd.DataFrame, planned: int | None) -> str:
    """How much of the plan is there; empty text if all is, or if it is not known."""
    done = len(metrics.drop_duplicates(["run", "test_dataset"]))
    return f"{done:,} of {planned:,}" if planned is not None and done < planned else ""


def pseudo(metrics: pd.DataFrame) -> list[str]:
    """Each kind of labels that nobody gave, with its datasets."""
    return [
        f"{kind}: {', '.join(dict.fromkeys(rows['test_dataset']))}"
        for kind, rows in metrics.groupby("label_kind", sort=False)
        if is_pseudo(str(kind))
    ]


def panels(
    wrong: list[dict[str, Any]], output: Path
) -> list[tuple[str, str, list[dict[str, Any]]]]:
    """The most wrong images: title and predictions of each scatter plot, and its images."""
    groups = groupby(wrong, key=lambda one: (one["panel"], one["file"]))
    return [(title, link(Path(file), output), list(images)) for (title, file), images in groups]
