"""An experiment in words: what was trained and tested on what, and how baselines compare."""

import numpy as np
import pandas as pd
import pytest

from dpam.evaluation.significance import compare_methods
from dpam.report.results import answer, asked


def spread(centre: float, seed: int) -> np.ndarray:
    """SRCC on ten splits."""
    return centre + np.random.default_rng(seed).normal(0, 0.02, 10)


def compared(centres: dict[str, float]) -> pd.DataFrame:
    """Pairs of methods, by SRCC of about these on ten splits."""
    rows = [
        {"method": method, "split": f"split{number:02d}", "srcc": srcc}
        for seed, (method, centre) in enumerate(centres.items())
        for number, srcc in enumerate(spread(centre, seed))
    ]
    common = {"experiment": "individual", "dataset": "live", "distortion": "all"}
    common |= {"test_dataset": "live", "selection": "validation", "test_to_train": 0.25}
    return compare_methods(pd.DataFrame([common | row for row in rows]))


def table_of(centres: dict[str, float]) -> pd.DataFrame:
    """A row for each method."""
    common = {"dataset": "live", "distortion": "all", "test_dataset": "live", "splits": 10}
    common |= {"selection": "validation", "srcc_low": np.nan, "srcc_each": "", "srcc_std": 0.02}
    return pd.DataFrame(
        [common | {"method": name, "srcc_median": srcc} for name, srcc in centres.items()]
    )


def test_the_answer_tells_luck_of_each_baseline_by_itself() -> None:
    """A network just above a baseline and far above another, and one below both."""
    centres = {"slic": 0.90, "rim": 0.60, "brisque_svr": 0.70, "vit_ridge": 0.89}
    first, second = answer(table_of(centres), compared(centres)).split(". ")
    assert "above that of BRISQUE features, SVR (by more than luck in 1)" in first
    assert "above that of frozen ViT features, ridge (perhaps by luck)" in first
    assert "in 0 of 1 test its SRCC is above that of BRISQUE features, SVR;" in second
    assert "luck" not in second


def test_networks_that_are_as_good_as_each_other_are_both_above_a_baseline() -> None:
    pairs = compared({"slic": 0.90, "rim": 0.90, "brisque_svr": 0.60})
    told = answer(table_of({"slic": 0.90, "rim": 0.90, "brisque_svr": 0.60}), pairs)
    assert told.count("above that of BRISQUE features, SVR (by more than luck in 1)") == 2


@pytest.mark.parametrize(
    ("tests", "words"),
    [
        ([("live", "live")], "trained on one dataset, tested on other images of the same dataset"),
        ([("live", "csiq")], "trained on one dataset, tested on other datasets"),
        ([("live", "live"), ("live", "csiq")],
         "trained on one dataset, tested on other images of the same dataset, and on other "
         "datasets"),
        ([("live+csiq", "csiq"), ("live+csiq", "live")],
         "trained on several datasets together, tested on other images of the same datasets"),
        ([("live+csiq", "tid2013")],
         "trained on several datasets together, tested on other datasets"),
        ([("live+csiq", "live"), ("live", "csiq")],
         "trained on one dataset, or several together, tested on other images of the same "
         "datasets, and on other datasets"),
    ],
)  # fmt: skip
def test_a_union_is_tested_on_its_own_datasets(tests: list[tuple[str, str]], words: str) -> None:
    table = pd.DataFrame(tests, columns=["dataset", "test_dataset"]).assign(distortion="all")
    assert asked(table) == words
