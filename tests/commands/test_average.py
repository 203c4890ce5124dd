"""The mean of several seeds' predictions, one row per image."""

import numpy as np
import pandas as pd

from dpam.cli import main


def table(prediction, **change):
    columns = {"image": ["a", "b", "c"], "reference": "", "subset": ["validation", "test", "test"]}
    columns |= {"label": [0.1, 0.5, 0.9], "selection": "validation", "group_mean": np.nan}
    return pd.DataFrame(columns).assign(prediction=prediction, spread=0.3, **change)


def average(folder, *tables):
    files = [folder / f"{number}.csv" for number in range(len(tables))]
    for file, each in zip(files, tables, strict=True):
        each.to_csv(file, index=False)
    return main(["average", *map(str, files), "--output", str(folder / "mean.csv")])


def test_means_and_their_spread(tmp_path):
    assert average(tmp_path, table([0, 0.5, 1]), table([0.5, 0.5, 0]), table([1, 0.5, 0.5])) == 0
    found = pd.read_csv(tmp_path / "mean.csv")
    assert list(found.columns) == list(table([0] * 3).columns)
    np.testing.assert_allclose(found["prediction"], 0.5)
    np.testing.assert_allclose(found["spread"], [np.sqrt(1 / 6), 0, np.sqrt(1 / 6)])
    assert found["subset"].tolist() == ["validation", "test", "test"]


def test_other_images_or_another_selection_are_refused(tmp_path, capsys):
    first = table([0, 0.5, 1])
    for number, other in enumerate(
        (first[::-1], first[:2], first.assign(label=0.2), first.assign(selection="last epoch"))
    ):
        (tmp_path / str(number)).mkdir()
        assert average(tmp_path / str(number), first, other) == 1
        assert "1.csv: expected the images, labels and rule of selection" in capsys.readouterr().err
        assert not (tmp_path / str(number) / "mean.csv").exists()
