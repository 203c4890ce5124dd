"""The table of predictions, and what groups alone predict."""

import numpy as np
import pandas as pd
import pytest

from dpam.evaluation.predictions import COPIED, group_means, predictions_table


@pytest.fixture
def labels() -> pd.DataFrame:
    table = pd.DataFrame({"image": list("abcdef"), "label": [0.1, 0.3, 0.9, 0.5, 0.7, 0.4]})
    table = table.assign(reference="", distortion="", level="", label_kind="MOS")
    return table.assign(group=["dark", "dark", "light", "dark", "light", "new"])


SPLIT = pd.Series(["train", "test", "train", "validation", "test", "test"], list("abcdef"))


def test_a_group_predicts_its_mean_in_training(labels: pd.DataFrame) -> None:
    found = group_means(labels, SPLIT.iloc[::-1], "all")
    assert found.tolist() == pytest.approx([0.1, 0.1, 0.9, 0.1, 0.9, 0.5])  # 0.5: mean of all
    assert group_means(labels.assign(group=""), SPLIT, "all").isna().all()
    older = labels.drop(columns="group")  # of an older pack
    assert group_means(older, SPLIT, "all").isna().all()


def test_a_group_of_one_distortion_type_knows_no_other_type(labels: pd.DataFrame) -> None:
    both = pd.concat([labels, labels.assign(image=list("uvwxyz"), label=1.0)], ignore_index=True)
    both["distortion"] = ["blur"] * 6 + ["noise"] * 6
    split = pd.concat([SPLIT, SPLIT.set_axis(list("uvwxyz"))])
    means = group_means(both, split, "blur")
    assert means[:6].tolist() == pytest.approx([0.1, 0.1, 0.9, 0.1, 0.9, 0.5])
    assert group_means(both, split, "all")[0] == pytest.approx(0.55)


def test_only_tested_images_stand_in_the_table(labels: pd.DataFrame) -> None:
    subsets = pd.Series(["", "test", "", "validation", "test", ""])
    means = group_means(labels, SPLIT, "all")
    table = predictions_table(labels, subsets, np.arange(3), 0.0, "validation", means)
    more = ["subset", "prediction", "spread", "selection", "group_mean"]
    assert table.columns.tolist() == [*COPIED, *more]
    assert table["image"].tolist() == ["b", "d", "e"]
    assert table["prediction"].tolist() == [0, 1, 2]
    assert table["subset"].tolist() == ["test", "validation", "test"]
    assert table["group_mean"].tolist() == pytest.approx([0.1, 0.1, 0.9])
    elsewhere = predictions_table(labels, subsets, np.arange(3), 0.0, "validation", np.nan)
    assert elsewhere["group_mean"].isna().all()
    with pytest.raises(AssertionError, match="every image is scored"):
        predictions_table(labels, subsets, np.arange(2), 0.0, "validation", means)
