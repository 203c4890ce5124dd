"""One network on several datasets: what it reads, what it learns from, what selects its epoch."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from samples import ABOUT, in_full, labels_table, photograph, preparation, write_pack
from test_trainer import assert_same_run, ignore

from dpam.commands.train import on_validation
from dpam.errors import DpamError
from dpam.evaluation.correlation import plcc, srcc
from dpam.experiments.settings import TrainingSettings
from dpam.model import DPAM, create
from dpam.model.scales import scale_of
from dpam.pack.joined import JoinedPack, open_packs
from dpam.pack.preparation import select
from dpam.pack.preparing import prepare
from dpam.pack.store import Pack
from dpam.training.augmentation import EpochPlan, RandomViews
from dpam.training.batch_sources import batch_source
from dpam.training.dataset_groups import Datasets
from dpam.training.history import history_table, rows_of_subsets
from dpam.training.losses import linearity, ranking
from dpam.training.trainer import Trainer

CPU = torch.device("cpu")
SUBSETS = ["train"] * 8 + ["validation"] * 2 + ["test"] * 2


def write(path, name, network_input, superpixels=12, seed=0, **more):
    how = replace(preparation(network_input, **more), superpixels=superpixels)
    return write_as(how, path, name, seed)


def write_as(how, path, name, seed):
    labels = labels_table(12)
    labels["label"] = np.random.default_rng(seed).permutation(labels["label"])
    about = {**ABOUT, "dataset": name, "title": name.title(), "preparation": vars(how)}
    images = (prepare(photograph(seed + i), how) for i in range(12))
    write_pack(path, labels, how, about, images)
    return path


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """One dataset of whole images, one of crops with fewer superpixels."""
    folder = tmp_path_factory.mktemp("packs")
    whole = write(folder / "whole.h5", "whole", "whole")
    return [whole, write(folder / "crops.h5", "crops", "crop", superpixels=9, seed=50)]


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


def trainer(pack, path, subsets=SUBSETS * 2, **changes):
    settings = {"epochs": 3, "batch_size": 4, "learning_rate": 1e-3, "schedule": "cosine"}
    torch.manual_seed(0)
    net = create(scales=["whole", "crops"], backbone="test_vit", image_size=64, embed_dim=16)
    rows = rows_of_subsets(pack, pd.Series(subsets, index=pack.labels["image"]), "all")
    settings = TrainingSettings(**settings | changes)
    return Trainer(net, pack, rows, settings, 3, CPU, path / "progress.pt")


def test_a_joined_pack_has_the_images_of_all_under_names_of_their_own(files):
    with open_packs(files) as joined, Pack(files[0]) as one, Pack(files[1]) as two:
        assert isinstance(joined, JoinedPack)
        for row in range(24):
            pack, own = (one, row) if row < 12 else (two, row - 12)
            dataset = pack.settings["dataset"]
            told, stored = joined.labels.iloc[row], pack.labels.iloc[own]
            assert told["image"] == f"{dataset}/{stored['image']}"
            assert told["reference"] == f"{dataset}/{stored['reference']}"
            assert told["label"] == stored["label"]
            found, plain = joined.prepared(row), pack.prepared(own)
            assert np.array_equal(found.pixels, plain.pixels)
            assert found.whole == plain.whole
            chosen = select(len(plain.mean), 9)
            assert np.array_equal(found.mean, plain.mean[chosen])
            assert np.array_equal(found.covariance, plain.covariance[chosen])
        assert joined.settings["dataset"] == "whole+crops"
        assert joined.settings["title"] == "Whole + Crops"
        assert joined.settings["preparation"]["superpixels"] == 9
        assert [each["dataset"] for each in joined.settings["joined"]] == ["whole", "crops"]


@pytest.mark.parametrize("degraded", [False, True])
def test_a_batch_holds_of_each_image_what_its_own_pack_gives(files, degraded, tmp_path):
    """And so do degraded copies, which only packs of whole images in full have."""
    if degraded:
        files = [write_as(in_full(), tmp_path / f"{n}.h5", n, len(n)) for n in ("one", "other")]
    with open_packs(files) as joined:
        plan = EpochPlan.draw(np.arange(24), 8, 0.5, [20, 1], 0.5 * degraded, degraded)
        batches = list(plan.batches(batch_source(joined, CPU)))
        assert len(batches) == 3
        for number, (rows, batch) in enumerate(batches):
            chance = plan.chance(number)
            assert np.array_equal(rows, chance.rows[:8])
            assert len(batch.image) == len(chance.rows) == 8 + 4 * degraded
            for i, row in enumerate(chance.rows):
                member, own = divmod(int(row), 12)
                one = slice(i, i + 1)
                drawn = chance.place[one], chance.flip[one], chance.share[one], chance.faults[one]
                source = batch_source(joined.packs[member], CPU)
                alone = source.batch(RandomViews(np.array([own]), *drawn))
                assert torch.equal(batch.image[i], alone.image[0])
                assert torch.equal(batch.texture[i], alone.texture[0])
                chosen = select(alone.mean.shape[1], joined.preparation.superpixels)
                assert torch.equal(batch.mean[i], alone.mean[0, chosen])
                assert torch.equal(batch.covariance[i], alone.covariance[0, chosen])


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_gives_the_same_batches(files):
    plan = EpochPlan.draw(np.arange(24), 8, 0.5, [20, 1])
    with open_packs(files) as joined:
        sources = (batch_source(joined, torch.device(name)) for name in ("cuda", "cpu"))
        for (_, there), (_, here) in zip(*map(plan.batches, sources), strict=True):
            for name, tensor in vars(here).items():
                torch.testing.assert_close(getattr(there, name).cpu(), tensor, atol=1e-4, rtol=0)


def test_packs_that_one_network_cannot_read_are_refused(files, tmp_path):
    signed = write(tmp_path / "signed.h5", "signed", "crop", texture="signed")
    message = r"signed.h5: expected a pack made as .*whole.h5, found texture signed instead of wrap"
    with pytest.raises(DpamError, match=message), open_packs([files[0], signed]):
        pass
    with pytest.raises(DpamError, match="expected different datasets"), open_packs(files[:1] * 2):
        pass


@pytest.mark.parametrize("cost", [linearity, ranking])
def test_images_are_compared_within_their_dataset(files, cost):
    generator = torch.Generator().manual_seed(1)
    prediction, label = torch.rand(2, 9, generator=generator)
    rows = np.array([3, 15, 4, 20, 0, 23, 12, 13, 7])
    with open_packs(files) as joined:
        datasets = Datasets(joined, {"train": np.arange(24), "validation": rows[:0]})
        found = datasets.within(cost, prediction, label, rows)
        total = 0
        for member in (rows < 12, rows >= 12):
            own = [index for index in range(9) if member[index]]
            total += len(own) * cost(prediction[own], label[own]) / 9
        assert found.item() == pytest.approx(total.item())
        assert found.item() != pytest.approx(cost(prediction, label).item())
        alone = datasets.within(cost, prediction[:4], label[:4], rows[rows < 12])
        assert torch.equal(alone, cost(prediction[:4], label[:4]))


def test_the_loss_is_that_of_scores_on_their_scales(files, tmp_path):
    with open_packs(files) as joined:
        run = trainer(joined, tmp_path, plcc_weight=0.3)
        with torch.no_grad():
            run.net.scales.log_slope.fill_(0.5)
            run.net.scales.offset.fill_(-0.1)
        score = torch.rand(6, generator=torch.Generator().manual_seed(2), requires_grad=True)
        rows = np.array([1, 13, 14, 2, 3, 15])
        found = run.loss(score, rows, None)
        found.backward()
        other = torch.from_numpy(rows >= 12)
        label = torch.from_numpy(run.label[rows]).float()
        mapped = torch.where(other, np.exp(0.5) * score - 0.1, score).detach()
        correlation = [np.corrcoef(mapped[i], label[i])[0, 1] for i in (other, ~other)]
        expected = (mapped - label).square().mean() + 0.3 * (1 - np.mean(correlation))
        assert found.item() == pytest.approx(expected.item(), rel=1e-5)
        assert run.net.scales.offset.grad.item() == pytest.approx(
            (2 * (mapped - label)[other]).sum().item() / 6, rel=1e-4
        )


def test_epochs_count_the_mean_over_datasets_and_predictions_are_on_their_scales(files, tmp_path):
    with open_packs(files) as joined:
        run = trainer(joined, tmp_path)
        run.run(ignore)
        table = history_table(run.history)
        rows = run.rows["test"]
        told, label = run.predictions["test"][-1].numpy(), run.label[rows]
        for name, correlation in (("srcc", srcc), ("plcc", plcc)):
            each = [correlation(told[part], label[part]) for part in (slice(2), slice(2, 4))]
            assert table[f"test_{name}"].iloc[-1] == pytest.approx(np.mean(each))
            assert table[f"test_{name}_crops"].iloc[-1] == pytest.approx(each[1])
        slope, offset = scale_of(run.net, "crops")
        assert (slope, offset) != (1, 0)
        scores = run.net.eval(), DPAM("test_vit", image_size=64, embed_dim=16).eval()
        state = {k: v for k, v in scores[0].state_dict().items() if not k.startswith("scales.")}
        scores[1].load_state_dict(state)
        run.net = scores[1]
        plain = run.evaluate("test")
        np.testing.assert_allclose(told[:2], plain[:2], atol=1e-6)
        np.testing.assert_allclose(told[2:], slope * plain[2:] + offset, atol=1e-5)


def test_a_run_that_is_stopped_ends_as_the_undisturbed_one(files, tmp_path):
    def stop(row):
        if row["epoch"] == 2:
            raise KeyboardInterrupt

    with open_packs(files) as joined:
        changes = {"ema": 0.9, "loss": "rank"}
        undisturbed = trainer(joined, tmp_path / "a", **changes)
        undisturbed.run(ignore)
        with pytest.raises(KeyboardInterrupt):
            trainer(joined, tmp_path / "b", **changes).run(stop)
        resumed = trainer(joined, tmp_path / "b", **changes)
        resumed.run(ignore)
        assert_same_run(undisturbed, resumed)


def test_a_validation_set_that_tells_too_little_does_not_count(files, tmp_path, caplog):
    some = ["train"] * 4 + ["validation"] * 6 + ["test"] * 2
    with open_packs(files) as joined:
        run = trainer(joined, tmp_path, some + SUBSETS)
        assert list(run.datasets.too_few) == ["crops"]
        assert "validation set of crops is 2 images of one reference: too few" in caplog.text
        assert "it does not count" in caplog.text
        run.run(ignore)
        for row in run.history:
            assert row["validation_srcc"] == row["validation_srcc_whole"]
        assert run.selecting_subset("validation_selected") == "validation"
        few = trainer(joined, tmp_path / "few")
        assert few.selecting_subset("validation_selected") == ""


def test_a_score_s_interval_is_that_of_the_scale_it_is_on(files, tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(
        "dpam.commands.train.interval", lambda told, label: seen.append((told, label))
    )
    with open_packs(files) as joined:
        run = trainer(joined, tmp_path, epochs=1)
        run.run(ignore)
        found = on_validation(run, 1, (0.0, 1.0))
    assert found["validation"]["images"] == 4
    ((told, label),) = seen
    np.testing.assert_array_equal(label, run.label[8:10])
    np.testing.assert_allclose(told, run.predictions["validation"][0][:2].clip(0, 1))


def test_a_dataset_of_which_nothing_trains_is_refused(files, tmp_path):
    with (
        open_packs(files) as joined,
        pytest.raises(DpamError, match="no image of crops is left to learn from"),
    ):
        trainer(joined, tmp_path, SUBSETS + ["left_out"] * 8 + SUBSETS[8:])
