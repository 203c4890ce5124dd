"""`dpam evaluate` as a command."""

import json
import subprocess
import sys
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from dpam.cli import main

IDENTITY = {
    "dataset": "demo-a",
    "distortion": "all",
    "method": "slic",
    "split": "split00",
    "seed": 20,
    "test_dataset": "demo-b",
}


@pytest.fixture
def table() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "image": [f"images/{i}.png" for i in range(6)],
            "reference": "a",
            "distortion": ["blur", "blur", "blur", "noise", "noise", "noise"],
            "level": ["1", "2", "1", "2", "1", "2"],
            "group": "",
            "group_mean": "",
            "label_kind": "pseudo-MOS (HaarPSI)",
            "subset": "test",
            "selection": "validation",
            "label": [0.1, 0.2, 0.3, 0.4, 0.5, 0.6],
            "prediction": [0.1, 0.3, 0.2, 0.4, 0.6, 0.5],
            "spread": 0.0,
        }
    )


def command(table: pd.DataFrame, folder: Path, identity: str = json.dumps(IDENTITY)) -> int:
    table.to_csv(folder / "on-demo-b.csv", index=False)
    subsets = ["train"] * 7 + ["validation"] + ["test"] * 2
    pd.DataFrame({"image": range(10), "split00": subsets}).to_csv(folder / "splits.csv")
    (folder / "on-demo-b.json").unlink(missing_ok=True)
    arguments = [str(folder / "on-demo-b.csv"), "--identity", identity]
    arguments += ["--splits", str(folder / "splits.csv")]
    for name, option in (("trained", "--verified"), ("tested", "--test-verified")):
        if not (folder / f"{name}.json").exists():
            images = range(10) if name == "trained" else table["image"]
            hashes = {str(image): "0f" * 32 if name == "trained" else "33" * 32 for image in images}
            (folder / f"{name}.json").write_text(json.dumps({"perceptual_hashes": hashes}))
        arguments += [option, str(folder / f"{name}.json")]
    return main(["evaluate", *arguments, "--output", str(folder / "on-demo-b.json")])


def test_commands_about_numbers_import_no_torch(table: pd.DataFrame, tmp_path: Path) -> None:
    assert command(table, tmp_path) == 0
    row = {"experiment": "a", **IDENTITY, "run": tmp_path}
    pd.DataFrame([row]).to_csv(tmp_path / "runs.csv", index=False)
    given = [str(tmp_path / name) for name in ("on-demo-b.csv", "splits.csv", "trained.json")]
    words = [*zip(["--splits", "--verified"], given[1:], strict=True)]
    code = "import sys; from dpam.cli import main\n"
    for arguments in (
        ["datasets"],
        ["evaluate", given[0], *chain(*words), "--test-verified", str(tmp_path / "tested.json"),
         "--identity", json.dumps(IDENTITY), "--output", str(tmp_path / "again.json")],
        ["tabulate", str(tmp_path / "runs.csv"), "--output-dir", str(tmp_path / "tables")],
    ):  # fmt: skip
        code += f"assert main({arguments}) == 0\n"
    code += "print({'torch', 'timm', 'matplotlib', 'sklearn', 'scipy.stats'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "set()"
    assert (tmp_path / "again.json").read_bytes() == (tmp_path / "on-demo-b.json").read_bytes()
    assert (tmp_path / "tables/a.md").is_file()


def test_writes_identity_and_numbers(table: pd.DataFrame, tmp_path: Path) -> None:
    assert command(table, tmp_path) == 0
    result = json.loads((tmp_path / "on-demo-b.json").read_text())
    assert {key: result[key] for key in IDENTITY} == IDENTITY
    assert result["label_kind"] == "pseudo-MOS (HaarPSI)"
    assert result["n"] == 6
    assert result["srcc"] == pytest.approx(1 - 6 * 4 / (6 * 35))
    assert result["by_distortion"]["noise"]["srcc"] == pytest.approx(0.5)
    assert result["by_level"]["1"] == {"n": 3, "srcc": 1.0, "plcc": pytest.approx(0.9449, abs=1e-4)}
    assert result["selection"] == "validation"
    assert (result["clusters"], result["intervals_over"]) == (6, "images of few references")
    assert result["intervals"]["srcc"][0] < result["srcc"] < result["intervals"]["srcc"][1]
    assert result["validation"] is None
    assert result["srcc_within"] is result["floor"] is None
    assert result["test_to_train"] == 2 / 8


def test_the_validation_part_is_scored_apart(table: pd.DataFrame, tmp_path: Path) -> None:
    assert command(table, tmp_path) == 0
    alone = json.loads((tmp_path / "on-demo-b.json").read_text())
    other = table.assign(subset="validation", prediction=1 - table["label"])
    assert command(pd.concat([other, table]), tmp_path) == 0
    both = json.loads((tmp_path / "on-demo-b.json").read_text())
    assert both.pop("validation") == {"n": 6, "srcc": -1.0, "plcc": pytest.approx(-1)}
    assert {**both, "validation": None} == alone
    assert command(other, tmp_path) == 1


def test_groups_and_what_they_alone_predict(table: pd.DataFrame, tmp_path: Path) -> None:
    twice = pd.concat([table, table.assign(label=table["label"] + 0.3)], ignore_index=True)
    twice["image"] = [f"{i}.png" for i in range(12)]
    twice["group"] = ["dark"] * 6 + ["light"] * 6
    twice["group_mean"] = [0.4] * 6 + [0.6] * 6
    assert command(twice, tmp_path) == 0
    result = json.loads((tmp_path / "on-demo-b.json").read_text())
    within = 1 - 6 * 4 / (6 * 35)
    assert result["srcc_within"] == pytest.approx(within)
    assert result["by_group"]["light"]["srcc"] == pytest.approx(within)
    expected = spearmanr(twice["group_mean"], twice["label"]).statistic
    assert result["floor"]["srcc"] == pytest.approx(expected)
    assert result["floor"]["srcc_within"] is None
    assert result["floor"]["by_group"]["dark"] == {"n": 6, "srcc": None, "plcc": None}
    assert command(twice.assign(group="all"), tmp_path) == 0
    assert json.loads((tmp_path / "on-demo-b.json").read_text())["floor"] is None


def test_near_duplicates_of_images_trained_on_are_counted_and_left_out(
    table: pd.DataFrame, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    random = np.random.default_rng(0)
    base = {str(image): random.bytes(32) for image in range(10)}
    tested = {image: random.bytes(32).hex() for image in table["image"]}
    few = bytes([base["3"][0] ^ 7, *base["3"][1:]])  # three bits
    tested["images/1.png"] = few.hex()
    tested["images/4.png"] = base["9"].hex()  # 9 is of the test set
    for name, hashes in (("trained", {n: h.hex() for n, h in base.items()}), ("tested", tested)):
        (tmp_path / f"{name}.json").write_text(json.dumps({"perceptual_hashes": hashes}))
    assert command(table, tmp_path) == 0
    near = json.loads((tmp_path / "on-demo-b.json").read_text())["near_duplicates"]
    assert near["images"] == 1
    assert near["pairs"] == [["images/1.png", "3", 3]]
    rest = table.drop(index=1)
    expected = spearmanr(rest["prediction"], rest["label"]).statistic
    assert near["without"]["n"] == 5
    assert near["without"]["srcc"] == pytest.approx(expected)
    (tmp_path / "tested.json").write_text("{}")
    assert command(table, tmp_path) == 1
    assert "tested.json: tells no perceptual hash of 6 image(s)" in capsys.readouterr().err


def test_constant_predictions_give_null(
    table: pd.DataFrame, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(table.assign(prediction=0.5), tmp_path) == 0
    assert json.loads((tmp_path / "on-demo-b.json").read_text())["srcc"] is None
    assert "the logistic could not be fitted: undefined" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"prediction": [0.1, "nan", 0.2, "", 0.6, 0.5]}, "images/1.png"),
        ({"label": [0.1, "?", 0.2, 0.3, 0.6, 0.5]}, "column label: expected finite numbers"),
        ({"label_kind": ["MOS"] * 5 + ["DMOS"]}, "one label_kind"),
    ],
)
def test_bad_predictions_end_in_one_line(
    table: pd.DataFrame,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    change: dict[str, list[str]],
    message: str,
) -> None:
    assert command(table.assign(**change), tmp_path) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "on-demo-b.json").exists()


def test_no_images(table: pd.DataFrame, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(table[:0], tmp_path) == 1
    assert "found none" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("identity", "message"),
    [("{", "a JSON object"), ("[]", "a JSON object"), ('{"dataset": "a"}', "found dataset")],
)
def test_bad_identity(
    table: pd.DataFrame,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    identity: str,
    message: str,
) -> None:
    assert command(table, tmp_path, identity) == 1
    assert message in capsys.readouterr().err
