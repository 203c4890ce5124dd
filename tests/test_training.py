"""Training learns, resumes where it was stopped, and says what is wrong."""

import numpy as np
import pandas as pd
import pytest
import torch

from dpam.errors import DpamError
from dpam.inference import predict
from dpam.model import DPAM
from dpam.store import Pack
from dpam.training import Trainer, TrainingSettings, history_table, rate_factor, rows_of_parts

PARTS = ["train"] * 8 + ["validation"] * 2 + ["test"] * 2
CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


def split(pack):
    return pd.Series(PARTS, index=pack.labels["image"])


def trainer(pack, tmp_path, **changes):
    settings = TrainingSettings(
        **{"epochs": 4, "batch_size": 4, "learning_rate": 1e-3, "schedule": "cosine"} | changes
    )
    torch.manual_seed(0)
    net = DPAM("test_vit", image_size=64, embed_dim=16)
    rows = rows_of_parts(pack, split(pack), "all")
    return Trainer(net, pack, rows, settings, 3, CPU, tmp_path / "progress.pt")


def test_a_run_that_is_stopped_ends_with_the_weights_of_the_undisturbed_one(pack_file, tmp_path):
    def ignore(row):
        pass

    def stop_after_two(row):
        if row["epoch"] == 2:
            raise KeyboardInterrupt

    with Pack(pack_file) as pack:
        undisturbed = trainer(pack, tmp_path / "a")
        undisturbed.run(ignore)
        with pytest.raises(KeyboardInterrupt):
            trainer(pack, tmp_path / "b").run(stop_after_two)
        resumed = trainer(pack, tmp_path / "b")
        resumed.resume()
        assert len(resumed.history) == 2
        resumed.run(ignore)
        for name, tensor in undisturbed.net.state_dict().items():
            assert torch.equal(tensor, resumed.net.state_dict()[name]), name
        numbers = [name for name in history_table(resumed.history) if "second" not in name]
        pd.testing.assert_frame_equal(
            history_table(undisturbed.history)[numbers], history_table(resumed.history)[numbers]
        )


def test_progress_under_other_settings_or_broken_is_ignored(pack_file, tmp_path):
    with Pack(pack_file) as pack:
        first = trainer(pack, tmp_path, epochs=1)
        first.run(lambda row: None)
        other = trainer(pack, tmp_path, epochs=1, learning_rate=2e-3)
        other.resume()
        assert other.history == []
        (tmp_path / "progress.pt").write_bytes(b"not a file of tensors")
        broken = trainer(pack, tmp_path, epochs=1)
        broken.resume()
        assert broken.history == []


def test_training_lowers_the_loss(pack_file, tmp_path):
    with Pack(pack_file) as pack:
        run = trainer(pack, tmp_path, epochs=12, flip=0.0)
        run.run(lambda row: None)
        losses = [row["loss"] for row in run.history]
        assert min(losses[-3:]) < losses[0] / 2
        assert sum(row["selected"] for row in run.history) == 1


def test_the_best_validation_epoch_is_kept(pack_file, tmp_path, monkeypatch):
    """Weights are those of the epoch with the largest SRCC + PLCC, whatever comes later."""
    values = iter([0.1, 0.5, 0.2, 0.3])

    def evaluate(self, name):
        value = next(values) if name == "validation" else 0.0
        return {f"{name}_srcc": value, f"{name}_plcc": value}

    monkeypatch.setattr(Trainer, "evaluate", evaluate)
    weights = {}
    with Pack(pack_file) as pack:
        run = trainer(pack, tmp_path)
        run.run(
            lambda row: weights.update({row["epoch"]: run.net.state_dict()["halve.weight"].clone()})
        )
        assert [row["selected"] for row in run.history] == [0, 1, 0, 0]
        assert torch.equal(run.net.state_dict()["halve.weight"], weights[2])


def test_parts_and_distortion_types_choose_rows(pack_file):
    with Pack(pack_file) as pack:
        rows = rows_of_parts(pack, split(pack), "noise")
        assert rows["train"].tolist() == [1, 3, 5, 7]
        assert rows["test"].tolist() == [11]
        with pytest.raises(DpamError, match=r"no image of distortion type 'fog'.*blur, noise"):
            rows_of_parts(pack, split(pack), "fog")
        with pytest.raises(DpamError, match="1 images are in no part"):
            rows_of_parts(pack, split(pack).iloc[1:], "all")


def test_too_few_images_for_a_batch_and_unknown_schedules_are_refused(pack_file, tmp_path):
    with Pack(pack_file) as pack, pytest.raises(DpamError, match="do not fill one batch of 9"):
        trainer(pack, tmp_path, batch_size=9)
    with pytest.raises(DpamError, match="expected batch_cosine or cosine"):
        TrainingSettings(schedule="linear")


def test_released_schedule_has_a_period_of_100_batches():
    released = TrainingSettings()
    factors = [rate_factor(released, step, 1000) for step in range(201)]
    assert factors[0] == factors[100] == factors[200] == 1
    assert factors[50] == factors[150] == 0
    # CosineAnnealingLR(T_max=50) in its closed form
    np.testing.assert_allclose(factors[25], 0.5)
    whole = [rate_factor(TrainingSettings(schedule="cosine"), step, 100) for step in range(100)]
    assert max(whole) == whole[5] == 1
    assert whole[0] < 1
    assert whole[-1] < 0.01


def test_the_release_s_recursive_schedule_is_the_closed_form():
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.Adam([parameter], lr=1e-5)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=50, eta_min=0)
    for step in range(240):
        expected = 1e-5 * rate_factor(TrainingSettings(), step, 1000)
        assert optimizer.param_groups[0]["lr"] == pytest.approx(expected, rel=1e-6, abs=1e-12)
        optimizer.step()
        schedule.step()


def test_a_prediction_is_the_mean_over_fixed_views(pack_file):
    torch.manual_seed(1)
    net = DPAM("test_vit", image_size=64, embed_dim=16)
    with Pack(pack_file) as pack:
        images = [pack.prepared(row) for row in range(5)]
        mean, spread = predict(net, images, 64, 5, CPU, batch_size=7)
        one, nothing = predict(net, images, 64, 1, CPU, batch_size=2)
        assert mean.shape == spread.shape == (5,)
        assert (nothing == 0).all()
        if pack.preparation.network_input == "whole":
            np.testing.assert_allclose(mean, one, rtol=1e-5)
            assert (spread == 0).all()
        else:
            assert (spread > 0).all()
        again, _ = predict(net, images, 64, 5, CPU, batch_size=3)
        np.testing.assert_allclose(mean, again, rtol=1e-5)
    assert predict(net, [], 64, 1, CPU)[0].shape == (0,)
