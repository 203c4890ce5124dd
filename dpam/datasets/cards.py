"""What is known of datasets, and of their copies here, as text for people."""

import textwrap
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from dpam.datasets import Dataset, is_present, missing_message
from dpam.datasets.labels import normalise
from dpam.errors import DpamError

BINS = 20
BAR = 50  # characters


def overview(datasets: Iterable[tuple[Dataset, str]]) -> str:
    """A table of datasets: facts, what is here, and where to get the rest.

    Args:
        datasets: each with its folder.
    """
    rows = []
    for dataset, root in datasets:
        here = state(dataset, root)
        rows.append(
            {
                "dataset": dataset.name,
                "images": f"{dataset.images:,}" if dataset.images else "",
                "kind": dataset.kind,
                "labels": f"{dataset.label_kind} {dataset.score_range[0]:g}-"
                f"{dataset.score_range[1]:g}",
                "here": here,
                "where": root if here == "complete" or not dataset.page else source(dataset),
            }
        )
    table = pd.DataFrame(rows)
    widths = {name: max(map(len, [*table[name], name])) for name in table}
    lines = [
        "  ".join(f"{cell:{'>' if name == 'images' else '<'}{widths[name]}}"
                  for name, cell in zip(table, row, strict=True)).rstrip()
        for row in [tuple(table), *table.itertuples(index=False)]
    ]  # fmt: skip
    return "\n".join([lines[0], "-" * max(map(len, lines)), *lines[1:]])


def source(dataset: Dataset) -> str:
    """Where to get a dataset, in a few words."""
    if dataset.downloads:
        return f"dpam download {dataset.name}"
    if "`" in dataset.page:
        return dataset.page.split("`")[1].removesuffix(" --output FOLDER")
    return dataset.page


def state(dataset: Dataset, root: str | Path) -> str:
    """Whether the copy in a folder is complete, from its labels and the names of its images."""
    try:
        if not is_present(dataset, root):
            return "missing"
    except DpamError:
        return "not readable"
    try:
        files = dataset.files(root)
    except DpamError:
        return "archives"
    try:
        labelled = set(dataset.reader(files)["image"])
    except DpamError:
        return "labels unreadable"
    lacking = len(labelled - set(files.images))
    if lacking:
        return f"{lacking:,} of {len(labelled):,} images missing"
    if dataset.images not in (None, len(labelled)):
        return f"{len(labelled):,} labels"
    return "complete"


def card(dataset: Dataset, root: str | Path) -> str:
    """All facts about one dataset, and a histogram of its labels where its labels are here.

    Args:
        dataset: what it is about.
        root: its folder.

    Raises:
        DpamError: its labels are here but cannot be used.
    """
    low, high = dataset.score_range
    images = f"{dataset.images:,}" if dataset.images else "as many as there are"
    if dataset.references:
        images += f", made from {dataset.references} references"
    types = f"{len(dataset.distortions)}: {', '.join(dataset.distortions)}"
    facts = {
        "images": images,
        "kind": dataset.kind,
        "distortions": types if dataset.distortions else "",
        "labels": f"{dataset.label_kind}, {low:g} to {high:g}, "
        f"{'higher' if dataset.higher_is_better else 'lower'} is better",
        "own split": "yes" if dataset.official else "",
        "page": dataset.page,
        "terms": "; ".join(filter(None, (dataset.terms, dataset.licence))),
        "here": state(dataset, root),
    }
    lines = [f"{dataset.title} ({dataset.name})", ""]
    for name, text in facts.items():
        if text:
            indent = {"initial_indent": f"{name:<13}", "subsequent_indent": " " * 13}
            lines += textwrap.wrap(text, 100, break_on_hyphens=False, **indent)  # type: ignore[arg-type]
    if facts["here"] in ("missing", "archives"):
        if facts["here"] == "missing":
            lines += ["", missing_message(dataset, root)]
        return "\n".join(lines)
    labels = normalise(dataset.read_labels(root), dataset)["label"]
    return "\n".join([*lines, "", *histogram(labels)])


def histogram(labels: pd.Series) -> list[str]:
    """Lines of text: how many labels lie in each twentieth of [0, 1], 1 being the best."""
    counts, edges = np.histogram(labels, BINS, (0, 1))
    return [
        f"{low:.2f}-{high:.2f} {count:>7,} {'#' * round(BAR * count / counts.max())}".rstrip()
        for low, high, count in zip(edges, edges[1:], counts, strict=False)
    ] + [f"{len(labels):,} labels, median {labels.median():.3f}; 0 is the worst, 1 the best"]
