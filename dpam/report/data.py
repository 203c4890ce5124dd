"""Dataset cards: the facts, the copies that were used, their splits."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from dpam.datasets import find
from dpam.errors import DpamError
from dpam.report.table import link, quantity
from dpam.utils.reading import read_csv, read_json

SUBSETS = ("train", "validation", "test")


@dataclass(frozen=True)
class Card:
    """A dataset: names and values, its page elsewhere, what was accepted, files with links."""

    title: str
    facts: list[tuple[str, str]]
    page: str
    accepted: list[str]
    files: list[tuple[str, str]]


def card(verified: Path, custom: dict[str, Any], splits: list[str], output: Path) -> Card:
    """The card of one dataset.

    Args:
        verified: what `dpam verify-download` found; labels.csv and splits.csv lie beside it.
        custom: the configuration's own datasets, by key.
        splits: those that were trained on.
        output: where the page will lie.
    """
    copy = read_json(verified)
    facts = {**declared_facts(copy["dataset"], custom), **found_facts(copy)}
    files = {name: verified.with_name(name) for name in ("labels.csv", "splits.csv")}
    near = verified.with_name("near_duplicates.csv")
    if files["labels.csv"].exists():
        facts |= label_facts(files["labels.csv"])
    if files["splits.csv"].exists():
        facts |= split_facts(files["splits.csv"], splits)
    if near.exists():
        pairs = read_csv(near, ["image", "other", "splits"])
        facts["look alike, on different sides of a split"] = quantity(len(pairs), "pair")
        files[near.name] = near
    links = [(verified.name, link(verified, output))]
    links += [(name, link(file, output)) for name, file in files.items() if file.exists()]
    page = facts.pop("page", "")
    address = page if page.startswith("https://") and " " not in page else ""
    return Card(copy["title"], list(facts.items()), address, copy["accepted"], links)


def declared_facts(name: str, custom: dict[str, Any]) -> dict[str, str]:
    """What the package or the configuration knows of a dataset; nothing of others."""
    try:
        dataset = find(name, custom.get(name))
    except DpamError:
        return {}
    low, high = dataset.score_range
    better = "higher" if dataset.higher_is_better else "lower"
    facts = {
        "kind": dataset.kind,
        "labels as given": f"{dataset.label_kind}, {low:g} to {high:g}, {better} is better",
        "network reads": {"crop": "crops", "whole": "whole images"}[dataset.network_input],
        "terms": "; ".join(filter(None, (dataset.terms, dataset.licence))),
        "page": dataset.page,
    }
    return {name: text for name, text in facts.items() if text}


def found_facts(copy: dict[str, Any]) -> dict[str, str]:
    """What was verified of a copy."""
    facts = {"images": f"{copy['counts']['images'] - len(copy['left_out']):,}"}
    if copy["counts"]["references"]:
        facts["references"] = f"{copy['counts']['references']:,}"
    facts |= {
        "MB": f"{copy['bytes'] / 1e6:,.1f}",
        "look alike": quantity(len(copy["near_duplicates"]), "pair"),
        "fingerprint": copy["fingerprint"][:16],
    }
    return facts


def label_facts(path: Path) -> dict[str, str]:
    """What the labels say: their kind, and distortion types."""
    labels = read_csv(path, ["label", "label_kind", "distortion"])
    label = pd.to_numeric(labels["label"])
    types = sorted(set(labels["distortion"]) - {""})
    facts = {
        "labels": ", ".join(dict.fromkeys(labels["label_kind"])),
        "label, 0 to 1": f"median {label.median():.3f}, from {label.min():.3f} to "
        f"{label.max():.3f}",
    }
    if types:
        facts["distortion types"] = f"{len(types)}: {', '.join(types).replace('_', ' ')}"
    return facts


def split_facts(path: Path, splits: list[str]) -> dict[str, str]:
    """How many images each subset of the splits has."""
    table = read_csv(path, ["image"])
    facts: dict[str, str] = {}
    for split in splits:
        if split in table:
            counts = table[split].value_counts()
            text = ", ".join(f"{counts[name]:,} {name}" for name in SUBSETS if name in counts)
            facts[split] = text
    alike = set(facts.values())
    if len(facts) > 2 and len(alike) == 1:
        return {f"{next(iter(facts))} to {list(facts)[-1]}": alike.pop()}
    return facts
