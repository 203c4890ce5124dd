"""From images on disk to a score of a person's own photograph, stage by stage."""

import errno
import json
import os
import signal
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from shutil import rmtree

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from icc import PROPHOTO, profile
from PIL import Image
from samples import photograph, save_judge

from dpam.cli import main
from dpam.commands.train import on_validation, summary
from dpam.errors import DpamError
from dpam.experiments.settings import TrainingSettings
from dpam.model import create
from dpam.model.checkpoint import load_checkpoint, save_checkpoint
from dpam.pack.store import Pack
from dpam.training.trainer import Trainer

MODEL = {"backbone": "test_vit", "embed_dim": 16}
TRAINING = {"epochs": 2, "batch_size": 4, "learning_rate": 1e-3, "schedule": "cosine"}
TRAINING |= {"precision": "float32"}  # also where the processor computes in bfloat16


def call(*arguments) -> int:
    return main([str(argument) for argument in arguments])


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


@pytest.fixture
def photos(tmp_path):
    """A user's own dataset: ten photographs with ugly names, and their scores."""
    folder = tmp_path / "my photos"
    folder.mkdir()
    names = [f"ünter 'quote' ({i}).png" for i in range(10)]
    for i, name in enumerate(names):
        Image.fromarray(photograph(i)).save(folder / name)
    table = pd.DataFrame({"image": names, "score": np.linspace(10, 90, 10)})
    table["group"] = ["phone", "camera"] * 5
    table.to_csv(folder / "scores.csv", index=False)
    return folder


def own(photos):
    settings = {
        "labels": str(photos / "scores.csv"),
        "score_range": [0, 100],
        "higher_is_better": False,
    }
    return ["--root", photos, "--custom", json.dumps(settings)]


def prepare_data(photos, tmp_path):
    out = tmp_path / "out"
    assert call("verify-download", "mine", *own(photos), "--output", out / "v.json") == 0
    assert call("normalise-labels", "mine", *own(photos), "--output", out / "labels.csv") == 0
    near = ["--verified", out / "v.json", "--near-duplicates", out / "near.csv"]
    arguments = [out / "labels.csv", "--seed", 1, "--output", out / "s.csv", *near]
    assert call("draw-splits", *arguments) == 0
    return out


def pack(photos, out, *more):
    return call(
        "pack-superpixels", "mine", *own(photos), "--verified", out / "v.json", "--labels",
        out / "labels.csv", "--image-size", 64, "--threads", 1, "--output", out / "slic.h5", *more,
    )  # fmt: skip


SETTINGS = f"model={json.dumps(MODEL)}", f"training={json.dumps(TRAINING)}"


def train(out, *more, set_by_it=SETTINGS):
    return call(
        "train", out / "slic.h5", "--splits", out / "s.csv", "--set", *set_by_it,
        "--output", out / "run/model.safetensors",
        "--test-selected", out / "run/test_selected.safetensors",
        "--history", out / "run/history.csv", *more,
    )  # fmt: skip


@pytest.fixture(autouse=True)
def _few_images_suffice(monkeypatch):
    """To select an epoch on; they would not."""
    monkeypatch.setattr("dpam.training.dataset_groups.too_few_to_select", lambda references: "")


@pytest.fixture
def trainings(monkeypatch):
    """The trainers of all trainings that were finished, to look at what they predicted."""
    seen = []

    def remember(trainer, epoch, learned_range):
        seen.append(trainer)
        return on_validation(trainer, epoch, learned_range)

    monkeypatch.setattr("dpam.commands.train.on_validation", remember)
    return seen


def test_a_training_s_summary_tells_what_it_reached_and_no_more():
    history = pd.DataFrame({"epoch": [1, 2], "validation_selected": [0, 1], "test_srcc": np.nan})
    assert summary(history) == "weights of epoch 2 of 2"
    history["validation_srcc"] = [0.1, 0.2]
    assert summary(history) == "weights of epoch 2 of 2: validation SRCC 0.200"


def test_a_signal_stops_no_run_that_is_over(photos, tmp_path, monkeypatch):
    """It comes while the files are written; all of them are."""
    out = prepare_data(photos, tmp_path)
    assert pack(photos, out) == 0
    caught = []

    def save(*arguments):
        os.kill(os.getpid(), signal.SIGTERM)
        save_checkpoint(*arguments)

    monkeypatch.setattr("dpam.model.checkpoint.save_checkpoint", save)
    before = signal.signal(signal.SIGTERM, lambda *_: caught.append("ends the process"))
    try:
        assert train(out) == 0
    finally:
        signal.signal(signal.SIGTERM, before)
    assert not caught
    made = {path.name for path in (out / "run").iterdir()}
    assert made >= {"model.safetensors", "test_selected.safetensors", "history.csv"}
    assert "model.progress.pt" not in made


def test_an_own_dataset_from_photographs_to_predictions(photos, tmp_path, capsys, trainings):
    out = prepare_data(photos, tmp_path)
    assert pack(photos, out) == 0
    with Pack(out / "slic.h5") as packed:
        assert packed.settings["dataset"] == "mine"
        worst = packed.labels.sort_values("label").iloc[0]
        assert worst["raw_label"] == 90  # lower is better

    assert train(out) == 0
    assert not (out / "run/model.progress.pt").exists()
    _net, metadata = load_checkpoint(out / "run/model.safetensors")
    assert metadata["training"]["epochs"] == 2
    assert metadata["selected_by"] == "validation"
    _net, metadata_of_test_selected = load_checkpoint(out / "run/test_selected.safetensors")
    assert metadata_of_test_selected["selected_by"] == "test"
    assert metadata["made_by"]["versions"]["torch"] == version("torch")
    history = pd.read_csv(out / "run/history.csv")
    assert history["epoch"].tolist() == [1, 2]
    assert history["validation_selected"].sum() == 1

    weights = out / "run/model.safetensors"
    predictions = out / "run/on-mine.csv"
    test = ["test", weights, out / "slic.h5", "--splits", out / "s.csv", "--output", predictions]
    assert call(*test) == 0
    table = pd.read_csv(predictions)
    splits = pd.read_csv(out / "s.csv")
    subsets = splits.set_index("image")["split00"]
    assert table["image"].is_unique
    assert set(table["image"]) == set(subsets.index[subsets != "train"])
    assert (table["subset"].to_numpy() == subsets[table["image"]]).all()
    assert set(table["selection"]) == {"validation"}

    # The weights selected on test predict what was predicted when their epoch was over.
    test[1], test[-1] = out / "run/test_selected.safetensors", out / "run/test_selected/on-mine.csv"
    capsys.readouterr()
    assert call(*test, "--views", 1) == 0
    assert "tested with views 1; the checkpoint says 5" in capsys.readouterr().err
    test_selected = pd.read_csv(test[-1]).set_index("image")
    assert set(test_selected["selection"]) == {"test"}
    epoch = metadata_of_test_selected["selected_epoch"]
    for subset, told in trainings[-1].predictions.items():
        images = trainings[-1].pack.labels["image"].iloc[trainings[-1].rows[subset]]
        found = test_selected.loc[images, "prediction"]
        np.testing.assert_allclose(found, told[epoch - 1], rtol=1e-4)

    # The same photograph from its file scores as from the pack, on the declared scale.
    capsys.readouterr()
    files = [photos / name for name in table["image"]]
    scores = tmp_path / "scores.csv"
    assert call("predict", *files, "--checkpoint", weights, "--output", scores) == 0
    assert capsys.readouterr().out == "", "the table has all rows"
    found = pd.read_csv(scores)
    assert found["image"].str.endswith(table["image"][0]).any()
    np.testing.assert_allclose(found["score_100"], 100 * table["prediction"], atol=0.02)
    np.testing.assert_allclose(found.iloc[:, 1], 100 * (1 - table["prediction"]), atol=0.02)


@pytest.mark.parametrize("scaling", ["declared", "faithful"])
def test_a_checkpoint_knows_how_far_labels_lie_from_its_scores(
    photos, tmp_path, monkeypatch, capsys, scaling, trainings
):
    """Of its own epoch on the validation set; here small, four images."""
    out = prepare_data(photos, tmp_path)
    pack(photos, out)
    splits = pd.read_csv(out / "s.csv")
    splits["split00"] = ["validation"] * 4 + ["train"] * 4 + ["test"] * 2
    splits.to_csv(out / "s.csv", index=False)
    assert train(out) == 0
    assert "have no interval: the validation set has 4 images" in capsys.readouterr().err
    about = load_checkpoint(out / "run/model.safetensors")[1]
    assert "interval" not in about
    kept = pd.read_csv(out / "run/history.csv").query("validation_selected == 1").iloc[0]
    agreement = {"srcc": kept["validation_srcc"], "plcc": kept["validation_plcc"]}
    assert about["validation"] == pytest.approx({"images": 4, **agreement})
    rmtree(out / "run")

    monkeypatch.setattr("dpam.evaluation.conformal.LEAST", 4)
    monkeypatch.setattr("dpam.evaluation.conformal.COVERAGE", 0.5)
    assert train(out, "--scaling", scaling) == 0
    for name in ("model", "test_selected"):
        about = load_checkpoint(out / f"run/{name}.safetensors")[1]
        trainer = trainings[-1]
        told = trainer.predictions["validation"][about["selected_epoch"] - 1].double().numpy()
        label = trainer.label[trainer.rows["validation"]]
        low, high = about["learned_range"]
        assert (low, high) == (0, 1) or scaling == "faithful"
        gap = abs((low + told * (high - low)).clip(0, 1) - (low + label * (high - low)))
        third = sorted(gap)[2]  # of four: the ceil(0.5 * 5)-th
        assert about["interval"]["half_width"] == pytest.approx(third)
        assert about["interval"]["images"] == 4
    capsys.readouterr()
    assert call("info", out / "run/model.safetensors") == 0
    assert "photographs like the 4 of the validation set lie no farther" in capsys.readouterr().out


def test_the_released_scaling_is_kept_apart_from_the_default(photos, tmp_path):
    out = prepare_data(photos, tmp_path)
    pack(photos, out)
    scores = {}
    for scaling in ("declared", "faithful"):
        assert train(out, "--scaling", scaling) == 0
        weights, predictions = out / "run/model.safetensors", out / "run/on-mine.csv"
        about = load_checkpoint(weights)[1]
        assert about["scaling"] == scaling
        subsets = pd.read_csv(out / "s.csv").set_index("image")["split00"]
        with Pack(out / "slic.h5") as packed:
            labels = packed.labels.set_index("image")["label"]
        learned = labels[subsets[labels.index] != "test"]
        ends = [learned.min(), learned.max()] if scaling == "faithful" else [0, 1]
        assert about["learned_range"] == pytest.approx(ends)
        test = [weights, out / "slic.h5", "--splits", out / "s.csv", "--output", predictions]
        assert call("test", *test) == 0
        table = pd.read_csv(predictions)
        scores[scaling] = table.loc[table["subset"] == "test", "label"]
        learnt = pd.read_csv(out / "labels.csv").merge(pd.read_csv(out / "s.csv"), on="image")
        if scaling == "faithful":
            low, high = learnt.loc[learnt["split00"] != "test", "label"].agg(["min", "max"])
            learnt["label"] = (learnt["label"] - low) / (high - low)
        means = learnt[learnt["split00"] == "train"].groupby("group")["label"].mean()
        np.testing.assert_allclose(table["group_mean"], table["group"].map(means))
        rmtree(out / "run")
    assert sorted(scores["faithful"]) == [0, 1]
    assert scores["declared"].between(0.1, 0.9).all()
    assert scores["declared"].idxmax() == scores["faithful"].idxmax()
    with Pack(out / "slic.h5") as packed:
        assert packed.labels["label"].between(0.1, 0.9).all()


def test_two_runs_agree_to_the_bit(photos, tmp_path):
    out = prepare_data(photos, tmp_path)
    pack(photos, out)
    assert train(out) == 0
    first = load_checkpoint(out / "run/model.safetensors")[0].state_dict()
    assert train(out) == 1  # it is there
    rmtree(out / "run")
    assert train(out) == 0
    for name, tensor in load_checkpoint(out / "run/model.safetensors")[0].state_dict().items():
        assert torch.equal(tensor, first[name]), name


def test_the_plain_head_reads_the_image_alone_from_pack_to_score(photos, tmp_path, monkeypatch):
    """Neither packing nor scoring makes superpixels or texture; a file scores as from the pack."""
    for part in ("superpixels.slico.slico", "pack.preparing.label_map_statistics",
                 "imaging.crops.textures"):  # fmt: skip
        monkeypatch.setattr(f"dpam.{part}", None)
    out = prepare_data(photos, tmp_path)
    full = ["--method", "none", "--stored-side", "72", "--resize", "antialias"]
    assert pack(photos, out, *full) == 0
    pooled = {"network": "pooled", "backbone": "test_vit", "out_indices": [1, 3], "embed_dim": 768}
    rest = {"degraded": 0.3, "crop": 0.5, "watch_test": False}
    options = ["--set", f"model={json.dumps(pooled)}", f"training={json.dumps(TRAINING | rest)}"]
    assert train(out, *options) == 0
    weights = out / "run/model.safetensors"
    _net, metadata = load_checkpoint(weights)
    assert metadata["preparation"]["resize"] == "antialias"

    predictions = out / "run/on-mine.csv"
    test = ["test", weights, out / "slic.h5", "--splits", out / "s.csv", "--output", predictions]
    assert call(*test) == 0
    table = pd.read_csv(predictions)
    files = [photos / name for name in table["image"]]
    assert call("predict", *files, "--checkpoint", weights, "--output", tmp_path / "a.csv") == 0
    found = pd.read_csv(tmp_path / "a.csv")
    np.testing.assert_allclose(found["score_100"], 100 * table["prediction"], atol=1e-3)
    assert found["score_100"].nunique() == len(found)
    assert (found["spread_100"] == 0).all()


def test_a_training_from_a_checkpoint_says_so(photos, tmp_path, capsys):
    out = prepare_data(photos, tmp_path)
    pack(photos, out)
    assert train(out) == 0
    (out / "run/model.safetensors").rename(out / "first.safetensors")
    rmtree(out / "run")
    digest = sha256((out / "first.safetensors").read_bytes()).hexdigest()
    model = MODEL | {"start": str(out / "first.safetensors"), "start_sha256": digest}
    rate = TRAINING | {"learning_rate": 1e-50, "epochs": 1}
    options = ["--set", f"model={json.dumps(model)}", f"training={json.dumps(rate)}"]
    assert train(out, *options) == 0
    first, metadata = load_checkpoint(out / "first.safetensors")
    second, about = load_checkpoint(out / "run/model.safetensors")
    assert about["start"]["sha256"] == digest
    assert about["start"]["metadata"]["training"] == metadata["training"]
    assert torch.equal(first.halve.weight, second.halve.weight)
    capsys.readouterr()
    assert call("info", out / "run/model.safetensors") == 0
    assert f"file first.safetensors, sha256 {digest}" in capsys.readouterr().out
    model["start_sha256"] = "0" * 64
    rmtree(out / "run")
    assert train(out, "--set", f"model={json.dumps(model)}") == 1
    assert "expected the file with SHA-256 0000" in capsys.readouterr().err


def test_a_training_from_the_judge_takes_all_of_it_or_its_backbone(photos, tmp_path, monkeypatch):
    judge = save_judge(tmp_path / "judge.safetensors")
    monkeypatch.setattr("dpam.inference.judge.WEIGHTS", tmp_path)
    out = prepare_data(photos, tmp_path)
    assert pack(photos, out) == 0
    expected = load_checkpoint(judge)[0].state_dict()
    rate = f"training={json.dumps(TRAINING | {'learning_rate': 1e-50, 'epochs': 1})}"
    own = {"network": "pooled", "backbone": "test_vit", "out_indices": [1, 3], "start": "judge"}
    other = MODEL | {"out_indices": [0, 3], "start": "judge"}
    for model, taken, prefix in ((own, "", ""), (other, "vit.", "backbone.")):
        assert train(out, "--set", f"model={json.dumps(model)}", rate) == 0
        net, about = load_checkpoint(out / "run/model.safetensors")
        assert about["start"]["file"] == "judge.safetensors"
        found = net.state_dict()
        for name in (name for name in expected if name.startswith(taken)):
            assert torch.equal(found[f"{prefix}{name}"], expected[name]), name
        rmtree(out / "run")


def test_a_stopped_training_goes_on_from_its_own_start_alone(photos, tmp_path, monkeypatch):
    out = prepare_data(photos, tmp_path)
    pack(photos, out)
    net = create("dpam", **MODEL, image_size=64)
    for name, value in {"first": 0.0, "second": 1.0}.items():
        torch.nn.init.constant_(net.halve.weight, value)
        save_checkpoint(out / f"{name}.safetensors", net, {})
    found = []

    def stop(trainer, report):
        found.append(trainer.progress.identity)
        raise DpamError("stopped")

    monkeypatch.setattr(Trainer, "run", stop)
    first, second = f"{out}/first.safetensors", f"{out}/second.safetensors"
    given = [{}, {"start": first}, {"start": second}, {"weights": second}, {"score_bias": 0.1}]
    for origin in (*given, {}):
        assert train(out, "--set", f"model={json.dumps(MODEL | origin)}") == 1
    assert len(set(found)) == len(given)
    assert found[0] == found[-1]


def test_two_trainings_in_one_folder_leave_each_other_alone(photos, tmp_path):
    """One was stopped; another one with outputs beside it is run to its end."""
    out = prepare_data(photos, tmp_path)
    pack(photos, out)
    run = out / "run"
    others = ["first.progress.pt", "first.diverged.json", ".first.progress.0123abcd.part.pt"]
    others += [".model.progress.7.part.pt", ".model.progress.0123abcd.part.pt"]
    others += ["progress.pt", "diverged.json", "tensorboard/events.out.tfevents.1"]
    others += ["first.tensorboard/events.out.tfevents.1.dpam", "model.tensorboard/notes.txt"]
    others += ["model.tensorboard/events.out.tfevents.1"]
    for name in others:
        (run / name).parent.mkdir(parents=True, exist_ok=True)
        (run / name).write_text("not yours")
    (run / "model.tensorboard/events.out.tfevents.1.dpam").write_text("of an earlier attempt")
    (run / ".model.progress.89abcdef.part.pt").write_bytes(b"PK\x03\x04 half of an earlier attempt")
    assert train(out) == 0
    assert not (run / ".model.progress.89abcdef.part.pt").exists()
    for name in others:
        assert (run / name).read_text() == "not yours"
    (events,) = (run / "model.tensorboard").glob("events*.dpam")
    assert events.stat().st_size > 1000


def test_an_error_of_the_system_in_training_is_not_blamed_on_tensorboard(
    photos, tmp_path, capsys, monkeypatch
):
    out = prepare_data(photos, tmp_path)
    pack(photos, out)

    def lost(self, epoch):
        raise OSError(errno.EIO, "Input/output error", "slic.h5")

    with monkeypatch.context() as broken:
        broken.setattr(Trainer, "train_one_epoch", lost)
        assert train(out) == 1
    said = capsys.readouterr().err
    assert said.rstrip().endswith("dpam train: slic.h5: Input/output error")
    with monkeypatch.context() as broken:  # what is drawn for TensorBoard is read from the pack
        broken.setattr("dpam.training.tensorboard.scatter", lambda *_: lost(None, 1))
        assert train(out) == 1
    said = capsys.readouterr().err
    assert said.rstrip().endswith("dpam train: slic.h5: Input/output error")
    blocked = out / "run/model.tensorboard"
    rmtree(blocked)
    blocked.write_text("a file")
    assert train(out) == 1
    assert f"{blocked}: cannot be written" in capsys.readouterr().err


def test_the_size_of_the_input_is_the_pack_s(photos, tmp_path, capsys):
    out = prepare_data(photos, tmp_path)
    pack(photos, out)
    assert train(out, "--set", "model.image_size=64") == 1
    assert "model: unknown key image_size" in capsys.readouterr().err


def test_weights_have_the_ending_that_their_readers_go_by(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for name in ("a.h5", "b.csv"):
        Path(name).touch()
    words = ("a.h5", "--splits", "b.csv", "--history", "h.csv", "--test-selected", "t.safetensors")
    assert main(["train", *words, "--output", "model.pt"]) == 1
    assert "model.pt: expected a name that ends in .safetensors" in capsys.readouterr().err


def test_settings_of_a_training_stand_in_a_file_and_are_changed_one_by_one(photos, tmp_path):
    out = prepare_data(photos, tmp_path)
    pack(photos, out)
    (tmp_path / "run.yaml").write_text(yaml.safe_dump({"model": MODEL, "training": TRAINING}))
    changed = ["training.learning_rate=2e-4", "model.embed_dim=8"]
    assert train(out, "--config", tmp_path / "run.yaml", set_by_it=changed) == 0
    net, about = load_checkpoint(out / "run/model.safetensors")
    assert about["training"] == vars(TrainingSettings(**TRAINING | {"learning_rate": 2e-4}))
    assert net.settings["embed_dim"] == 8


def test_a_device_that_is_not_there_is_refused(tmp_path, capsys):
    for name in ("slic.h5", "s.csv"):
        (tmp_path / name).touch()
    assert train(tmp_path, "--device", "cuda:77") == 1
    assert "device: expected auto, cpu" in capsys.readouterr().err


def test_images_that_cannot_be_packed_are_all_named_and_the_others_stay(photos, tmp_path, capsys):
    out = prepare_data(photos, tmp_path)
    (photos / "ünter 'quote' (3).png").write_bytes(b"broken")
    Image.new("RGB", (20, 90)).save(photos / "ünter 'quote' (7).png")
    assert pack(photos, out) == 1
    said = capsys.readouterr().err
    assert "2 of 10 images cannot be packed" in said
    assert "(3).png: expected an image" in said
    assert "(7).png: the image is 20x90; at least 32x32 is needed" in said
    assert not (out / "slic.h5").exists()
    assert pack(photos, out) == 1
    said = capsys.readouterr().err
    assert "going on: 8 of 10 are packed" in said
    assert "2 of 10 images cannot be packed" in said


def test_colour_profiles_are_followed_when_packing_or_ignored_as_released(photos, tmp_path):
    image = Image.fromarray(photograph(0))
    image.save(next(photos.glob("*(0).png")), icc_profile=profile(PROPHOTO, 1.8))
    out = prepare_data(photos, tmp_path)
    packed = {}
    for way in ("converted", "ignored"):
        (out / "slic.h5").unlink(missing_ok=True)
        assert pack(photos, out, "--colour-profiles", way) == 0
        with Pack(out / "slic.h5") as file:
            assert file.preparation.colour_profiles == way
            packed[way] = [file.image(row).astype(int) for row in range(len(file))]
    changed = [np.abs(a - b).max() for a, b in zip(*packed.values(), strict=True)]
    assert changed[0] > 5
    assert not any(changed[1:])


def test_methods_that_are_not_there_are_refused(photos, tmp_path, capsys):
    out = prepare_data(photos, tmp_path)
    status = call(
        "pack-superpixels", "mine", *own(photos), "--verified", out / "v.json", "--labels",
        out / "labels.csv", "--method", "watershed", "--output", out / "watershed.h5",
    )  # fmt: skip
    assert status == 1
    said = capsys.readouterr().err
    assert "superpixel method 'watershed' is not available; choose from: slic, rim, ainet" in said


def test_ainet_packs_with_weights_that_train_ainet_made_and_not_without(photos, tmp_path, capsys):
    out = prepare_data(photos, tmp_path)
    weights = out / "ainet.safetensors"
    training = "--steps", 2, "--batch-size", 1, "--output", weights
    assert call("train-ainet", *sorted(photos.glob("*.png")), *training) == 0
    pack_it = [
        "pack-superpixels", "mine", *own(photos), "--verified", out / "v.json", "--labels",
        out / "labels.csv", "--image-size", 64, "--threads", 2, "--method", "ainet", "--output",
        out / "ainet.h5",
    ]  # fmt: skip
    capsys.readouterr()
    assert call(*pack_it) == 1
    assert "superpixel method ainet needs weights" in capsys.readouterr().err
    assert not (out / "ainet.h5").exists()
    assert call(*pack_it, "--ainet", weights) == 0
    with Pack(out / "ainet.h5") as packed:
        assert packed.preparation.ainet == str(weights)
        assert packed.example(packed.examples[0]).label_map.max() > 0


def test_photographs_that_cannot_be_scored_are_named_and_the_rest_is_scored(
    photos, tmp_path, capsys
):
    out = prepare_data(photos, tmp_path)
    pack(photos, out)
    train(out)
    (photos / "broken.jpg").write_bytes(b"\xff\xd8 nothing")
    capsys.readouterr()
    assert call("predict", photos, "--checkpoint", out / "run/model.safetensors") == 3
    printed = capsys.readouterr()
    assert printed.err.rstrip().endswith("; 1 failed")
    assert "broken.jpg" in printed.err
    assert printed.out.count("ünter") == 10


def test_what_is_no_checkpoint_is_refused(photos, tmp_path, capsys):
    (tmp_path / "a.safetensors").write_bytes(b"nothing")
    assert call("predict", photos, "--checkpoint", tmp_path / "a.safetensors") == 1
    assert "a.safetensors" in capsys.readouterr().err
