"""Training learns, resumes where it was stopped, and says what is wrong."""

import os
import signal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch.optim.swa_utils import AveragedModel

from dpam.datasets.splits import too_few_to_select
from dpam.errors import DpamError, Interrupted
from dpam.experiments.settings import TrainingSettings
from dpam.inference.predict import predict
from dpam.model import DPAM, create
from dpam.pack.store import Pack
from dpam.training.history import history_table, rows_of_subsets
from dpam.training.losses import ordering
from dpam.training.optim import moving_average, rate_factor
from dpam.training.trainer import Trainer

PARTS = ["train"] * 8 + ["validation"] * 2 + ["test"] * 2
CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _two_images_suffice(monkeypatch):
    """To select an epoch on; they would not."""
    monkeypatch.setattr("dpam.training.dataset_groups.too_few_to_select", lambda references: "")


def split(pack):
    return pd.Series(PARTS, index=pack.labels["image"])


def trainer(pack, tmp_path, origin="", **changes):
    settings = TrainingSettings(
        **{
            "epochs": 4,
            "batch_size": 4,
            "learning_rate": 1e-3,
            "schedule": "cosine",
            "warmup": 0.05,
            "precision": "float32",  # also where the processor computes in bfloat16
        }
        | changes
    )
    torch.manual_seed(0)
    net = DPAM("test_vit", image_size=64, embed_dim=16)
    rows = rows_of_subsets(pack, split(pack), "all")
    return Trainer(net, pack, rows, settings, 3, CPU, tmp_path / "progress.pt", origin)


def ignore(row):
    pass


def assert_same_run(first, second):
    """The same weights, kept weights and numbers, to the bit."""
    assert_same_tensors(first.net.state_dict(), second.net.state_dict())
    assert first.kept.keys() == second.kept.keys()
    for rule in first.kept:
        assert_same_tensors(first.kept[rule], second.kept[rule])
    tables = [history_table(run.history) for run in (first, second)]
    numbers = [name for name in tables[0] if "second" not in name and name != "memory_gb"]
    pd.testing.assert_frame_equal(*(table[numbers] for table in tables))
    for part in first.predictions:
        assert torch.equal(*(torch.stack(run.predictions[part]) for run in (first, second)))


def assert_same_tensors(first, second):
    assert first.keys() == second.keys()
    for name in first:
        assert torch.equal(first[name], second[name]), name


def test_a_run_that_is_stopped_ends_as_the_undisturbed_one(pack_file, tmp_path):
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
        assert_same_run(undisturbed, resumed)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_a_signal_saves_in_the_middle_of_an_epoch(pack_file, tmp_path, monkeypatch, number):
    """Dropout, averaged weights and accumulated gradients go on as if nothing had been."""
    changes = {"batch_size": 2, "grad_accumulation": 2, "ema": 0.9}
    with Pack(pack_file) as pack:
        undisturbed = trainer(pack, tmp_path / "a", **changes)
        undisturbed.run(ignore)

        disturbed = trainer(pack, tmp_path / "b", **changes)
        call, calls = disturbed.call, []

        def call_and_signal(*inputs):
            calls.append(1)
            if len(calls) == 6:  # the second of the four batches of epoch 2
                os.kill(os.getpid(), number)
            return call(*inputs)

        monkeypatch.setattr(disturbed, "call", call_and_signal)
        before = signal.getsignal(number)
        with pytest.raises(Interrupted, match=f"{number.name}: stopped in epoch 2, batch 2 of 4"):
            disturbed.run(ignore)
        assert signal.getsignal(number) is before
        assert len(calls) == 6

        resumed = trainer(pack, tmp_path / "b", **changes)
        resumed.resume()
        assert len(resumed.history) == 1
        assert resumed.unfinished["batch"] == 2
        resumed.run(ignore)
        assert_same_run(undisturbed, resumed)


def pooled_trainer(pack, tmp_path, **changes):
    """Training of the plain head, from a start that tells images apart."""
    few = {"epochs": 2, "batch_size": 4, "learning_rate": 1e-3, "schedule": "constant"}
    settings = TrainingSettings(**few | {"precision": "float32"} | changes)
    torch.manual_seed(0)
    net = create("pooled", backbone="test_vit", image_size=64, out_indices=[1, 3], dropout=0)
    torch.nn.init.normal_(net.out.weight, 0, 0.05)
    rows = rows_of_subsets(pack, split(pack), "all")
    return Trainer(net, pack, rows, settings, 3, CPU, tmp_path / "progress.pt")


def test_a_kill_costs_ten_minutes_and_not_an_epoch(full_pack, tmp_path, monkeypatch):
    """Progress within an epoch is saved by the clock; what is then resumed is the same run."""
    changes = {"ema": 0.9, "degraded": 0.3, "crop": 0.5, "plcc_weight": 0.1, "clip_grad": 1.0}
    changes |= {"batch_size": 2}
    with Pack(full_pack) as pack:
        undisturbed = pooled_trainer(pack, tmp_path / "a", **changes)
        undisturbed.run(ignore)

        killed = pooled_trainer(pack, tmp_path / "b", **changes)
        call, calls = killed.call, []

        def call_or_die(*inputs):
            calls.append(1)
            if len(calls) == 7:  # the third of the four batches of epoch 2
                raise MemoryError
            return call(*inputs)

        killed.call = call_or_die
        with monkeypatch.context() as every_step:
            every_step.setattr("dpam.training.trainer.SAVE_EVERY", -1.0)
            with pytest.raises(MemoryError):
                killed.run(ignore)
        resumed = pooled_trainer(pack, tmp_path / "b", **changes)
        resumed.resume()
        assert resumed.unfinished["batch"] == 2
        resumed.run(ignore)
        assert_same_run(undisturbed, resumed)


def test_the_loss_is_the_sum_of_its_parts(full_pack, tmp_path):
    with Pack(full_pack) as pack:
        changes = {"batch_size": 8, "degraded": 0.7, "plcc_weight": 0.3}
        run = pooled_trainer(pack, tmp_path, **changes)
        seen = {}
        call, loss = run.call, run.loss
        run.call = lambda *inputs: seen.setdefault("score", call(*inputs))
        run.loss = lambda *given: (seen.update(given=given), loss(*given))[1]
        found = run.train_one_epoch(1)["loss"]
    score, (_, rows, levels) = seen["score"].detach(), seen["given"]
    assert len(score) == 8 + 2 * 2
    label = torch.from_numpy(run.label[rows]).float()
    mse = (score[:8] - label).square().mean()
    r = np.corrcoef(score[:8], label)[0, 1]
    hinge = ordering(score[8:10], score[10:], levels)
    assert found == pytest.approx(float(mse + 0.3 * (1 - r) + 0.7 * hinge), rel=1e-5)


def test_degraded_copies_teach_to_put_them_in_order(full_pack, tmp_path, monkeypatch):
    """Of a network that has nothing else to learn."""
    monkeypatch.setattr("dpam.training.augmentation.DEFECTS", {"under_exposure": None})
    with Pack(full_pack) as pack:
        run = pooled_trainer(pack, tmp_path, batch_size=8, degraded=1.0, epochs=40)
        cost = []

        def only_the_order(score, rows, levels):
            cost.append(ordering(*score[8:].chunk(2), levels))
            return cost[-1]

        run.loss = only_the_order
        run.run(ignore)
        first, last = (torch.stack(part).mean().item() for part in (cost[:10], cost[-10:]))
        assert last < first / 3


def test_a_gradient_is_cut_to_its_largest_norm(full_pack, tmp_path):
    norms = {}
    with Pack(full_pack) as pack:
        for most in (0.0, 1e-3):
            run = pooled_trainer(pack, tmp_path, clip_grad=most)
            found = norms.setdefault(most, [])
            run.optimizer.register_step_pre_hook(
                lambda *_, run=run, found=found: found.append(
                    torch.stack([p.grad.norm() for p in run.net.parameters()]).norm().item()
                )
            )
            run.train_one_epoch(1)
    assert min(norms[0.0]) > 2e-3
    assert norms[1e-3] == pytest.approx([1e-3] * 2, rel=1e-3)


def test_crops_and_degraded_copies_need_images_in_full(pack_file, tmp_path):
    with Pack(pack_file) as pack:
        for changes in ({"crop": 0.5}, {"degraded": 0.3}):
            with pytest.raises(DpamError, match="pack the dataset with a stored_side"):
                trainer(pack, tmp_path, **changes)


def test_a_test_part_that_is_not_watched_is_out_of_reach(pack_file, tmp_path):
    with Pack(pack_file) as pack:
        run = trainer(pack, tmp_path, watch_test=False)
        asked = []
        evaluate = run.evaluate
        run.evaluate = lambda part: (asked.append(part), evaluate(part))[1]
        run.run(ignore)
        assert set(asked) == {"validation"}
        assert list(run.predictions) == ["validation"]
        assert [row["test_selected"] for row in run.history] == [0, 0, 0, 1]


def test_a_teacher_is_mixed_with_the_labels(full_pack, tmp_path):
    with Pack(full_pack) as pack:
        names = pack.labels["image"]
        label = pack.labels["label"].to_numpy()
        table = pd.DataFrame(
            {"image": [f"/photos/{n}" for n in names], "score_100": 100 - 100 * label}
        )
        table.iloc[:8].to_csv(tmp_path / "predict.csv", index=False)
        changes = {"teacher": str(tmp_path / "predict.csv"), "teacher_weight": 0.25}
        run = pooled_trainer(pack, tmp_path, **changes)
        np.testing.assert_allclose(run.target[:8], 0.75 * label[:8] + 0.25 * (1 - label[:8]))
        assert np.isnan(run.target[8:]).all()
        assert np.array_equal(run.label, label)
        run.run(ignore)
        other = pooled_trainer(pack, tmp_path, teacher_weight=0.5, teacher=changes["teacher"])
        assert other.progress.identity != run.progress.identity

        tested = pd.DataFrame({"image": names, "prediction": 0.5})
        tested.to_csv(tmp_path / "test.csv", index=False)
        changes["teacher"] = str(tmp_path / "test.csv")
        run = pooled_trainer(pack, tmp_path, **changes)
        np.testing.assert_allclose(run.target[:8], 0.75 * label[:8] + 0.125)

        tested.iloc[[0, 1, 2, 3, 4, 6, 7, 9]].to_csv(tmp_path / "test.csv", index=False)
        with pytest.raises(DpamError, match=r"test.csv: expected one prediction .*\n.*photo \(5\)"):
            pooled_trainer(pack, tmp_path, **changes)
        pd.DataFrame({"image": names, "mos": 1}).to_csv(tmp_path / "test.csv", index=False)
        with pytest.raises(DpamError, match="a column prediction or score_100"):
            pooled_trainer(pack, tmp_path, **changes)


def test_a_moving_average_forgets_where_it_began_and_then_has_its_decay():
    module = torch.nn.BatchNorm1d(1)  # begins with a variance of 1
    average = AveragedModel(module, multi_avg_fn=moving_average(0.99), use_buffers=True)
    average.update_parameters(module)
    module.running_var.fill_(1e-3)
    module.num_batches_tracked.fill_(7)
    for _ in range(100):
        average.update_parameters(module)
    assert average.module.running_var.item() == pytest.approx(1e-3, rel=1e-3)
    assert average.module.num_batches_tracked == 7
    average.n_averaged.fill_(10_000)
    module.running_var.fill_(1.0)
    average.update_parameters(module)
    assert average.module.running_var.item() == pytest.approx(0.01 + 0.99e-3, rel=1e-3)


def test_progress_under_other_settings_or_code_or_broken_is_ignored(
    pack_file, tmp_path, monkeypatch
):
    with Pack(pack_file) as pack:
        first = trainer(pack, tmp_path, epochs=1)
        first.run(lambda row: None)
        for changed in ({"learning_rate": 2e-3}, {"origin": "another start"}):
            other = trainer(pack, tmp_path, epochs=1, **changed)
            other.resume()
            assert other.history == []
        same = trainer(pack, tmp_path, epochs=1)
        same.resume()
        assert len(same.history) == 1
        with monkeypatch.context() as changed:
            changed.setattr(
                "dpam.training.trainer.code_fingerprint", lambda module: "of other code"
            )
            mended = trainer(pack, tmp_path, epochs=1)
            mended.resume()
            assert mended.history == []
        (tmp_path / "progress.pt").write_bytes(b"PK\x03\x04, but not a file of tensors")
        broken = trainer(pack, tmp_path, epochs=1)
        broken.resume()
        assert broken.history == []
        for mine in ({"weights": torch.ones(3)}, torch.ones(3), Path("mine")):
            torch.save(mine, tmp_path / "progress.pt")
            before = (tmp_path / "progress.pt").read_bytes()
            with pytest.raises(DpamError, match="would be replaced, but dpam did not make it"):
                trainer(pack, tmp_path, epochs=1).run(lambda row: None)
            assert (tmp_path / "progress.pt").read_bytes() == before
        for name in ("progress.pt", "progress.diverged.json"):
            (tmp_path / name).write_text("mine")
            with pytest.raises(DpamError, match="would be replaced, but dpam did not make it"):
                trainer(pack, tmp_path, epochs=1).resume()
            assert (tmp_path / name).read_text() == "mine"
            (tmp_path / name).unlink()


def test_training_lowers_the_loss(pack_file, tmp_path):
    with Pack(pack_file) as pack:
        run = trainer(pack, tmp_path, epochs=12, hflip=0.0)
        run.run(lambda row: None)
        losses = [row["loss"] for row in run.history]
        assert min(losses[-3:]) < losses[0] / 2
        assert sum(row["validation_selected"] for row in run.history) == 1


def test_each_rule_keeps_its_epoch(pack_file, tmp_path, monkeypatch):
    """The best on validation, and the best on test; whatever comes later."""
    values = {"train": [0] * 4, "validation": [0.1, 0.5, 0.2, 0.3], "test": [0.3, 0.1, 0.6, 0.6]}
    values = {name: iter(numbers) for name, numbers in values.items()}

    def correlations(prediction, label, name):
        return dict.fromkeys((f"{name}_srcc", f"{name}_plcc"), next(values[name]))

    monkeypatch.setattr("dpam.training.dataset_groups.correlations", correlations)
    weights = {}
    with Pack(pack_file) as pack:
        run = trainer(pack, tmp_path)
        run.run(
            lambda row: weights.update({row["epoch"]: run.net.state_dict()["halve.weight"].clone()})
        )
        assert [row["validation_selected"] for row in run.history] == [0, 1, 0, 0]
        assert [row["test_selected"] for row in run.history] == [0, 0, 1, 0]
        assert torch.equal(run.kept["validation_selected"]["halve.weight"], weights[2])
        assert torch.equal(run.kept["test_selected"]["halve.weight"], weights[3])


def test_without_a_part_its_rule_keeps_the_last_epoch(pack_file, tmp_path):
    with Pack(pack_file) as pack:
        whole = pd.Series("train", index=pack.labels["image"])
        run = trainer(pack, tmp_path, epochs=2)
        run = Trainer(
            run.net, pack, rows_of_subsets(pack, whole, "all"), run.settings, 3, CPU, tmp_path / "p"
        )
        run.run(ignore)
        assert [row["validation_selected"] for row in run.history] == [0, 1]
        assert [row["test_selected"] for row in run.history] == [0, 1]
        assert "test_srcc" not in run.history[0]


def test_the_last_epoch_on_request(pack_file, tmp_path):
    with Pack(pack_file) as pack:
        run = trainer(pack, tmp_path, epochs=3, selection="last")
        run.run(ignore)
        assert [row["validation_selected"] for row in run.history] == [0, 0, 1]
        assert_same_tensors(run.kept["validation_selected"], run.net.state_dict())


def test_of_too_few_validated_images_the_last_epoch_is_kept(
    pack_file, tmp_path, monkeypatch, caplog
):
    """Whatever they say; patience, which listens to them, waits for ever."""
    monkeypatch.setattr("dpam.training.dataset_groups.too_few_to_select", too_few_to_select)
    values = {"validation": [0.9, 0.1, 0.5], "test": [0.1, 0.5, 0.2], "train": [0] * 3}
    values = {name: iter(numbers) for name, numbers in values.items()}
    monkeypatch.setattr(
        "dpam.training.dataset_groups.correlations",
        lambda prediction, label, name: dict.fromkeys(
            (f"{name}_srcc", f"{name}_plcc"), next(values[name])
        ),
    )
    with Pack(pack_file) as pack:
        run = trainer(pack, tmp_path, epochs=3, patience=1)
        assert caplog.text.count("the validation set is 2 images of one reference: too few") == 1
        run.run(ignore)
    assert [row["validation_selected"] for row in run.history] == [0, 0, 1]
    assert [row["test_selected"] for row in run.history] == [0, 1, 0]
    assert run.selecting_subset("validation_selected") == ""


def test_it_stops_early_once_validation_is_no_better(pack_file, tmp_path, monkeypatch):
    values = iter([0.1, 0.5, 0.2, 0.3, 0.9])

    def correlations(prediction, label, name):
        value = next(values) if name == "validation" else 0.0
        return dict.fromkeys((f"{name}_srcc", f"{name}_plcc"), value)

    monkeypatch.setattr("dpam.training.dataset_groups.correlations", correlations)
    with Pack(pack_file) as pack:
        run = trainer(pack, tmp_path, epochs=9, patience=2)
        run.run(ignore)
        assert len(run.history) == 4


def test_accumulated_batches_are_one_large_batch(pack_file, tmp_path):
    """But for batch norm, which sees each batch by itself: here it is kept from doing so."""
    weights = {}
    for size, grad_accumulation in ((8, 1), (4, 2)):
        with Pack(pack_file) as pack:
            run = trainer(
                pack, tmp_path, epochs=1, batch_size=size, grad_accumulation=grad_accumulation
            )
            run.net.double()
            for module in run.net.modules():
                if isinstance(module, torch.nn.BatchNorm2d | torch.nn.Dropout):
                    module.train(False)
                    module.train = lambda mode, module=module: module
            monkey = run.call
            run.call = lambda *inputs, net=monkey: net(*(tensor.double() for tensor in inputs))
            run.optimizer = torch.optim.SGD(run.net.parameters(), lr=0.1)
            run.train_one_epoch(1)
            weights[size] = run.net.state_dict()
    for name, tensor in weights[8].items():
        torch.testing.assert_close(weights[4][name], tensor, rtol=1e-6, atol=1e-9)


def test_the_last_accumulated_step_of_an_epoch_is_the_mean_of_its_batches(pack_file, tmp_path):
    """Four batches, three to a step: the second step's gradient is that of the fourth batch."""
    gradients = {}
    for grad_accumulation in (1, 3):
        with Pack(pack_file) as pack:
            run = trainer(pack, tmp_path, batch_size=2, grad_accumulation=grad_accumulation)
            for module in run.net.modules():
                if isinstance(module, torch.nn.BatchNorm2d | torch.nn.Dropout):
                    module.train(False)
                    module.train = lambda mode, module=module: module
            steps = gradients.setdefault(grad_accumulation, [])
            run.optimizer.step = lambda *_, run=run, steps=steps: steps.append(
                run.net.halve.weight.grad.clone()
            )
            run.train_one_epoch(1)
    single, grouped = gradients[1], gradients[3]
    assert (len(single), len(grouped)) == (4, 2)
    torch.testing.assert_close(grouped[0], (single[0] + single[1] + single[2]) / 3)
    torch.testing.assert_close(grouped[1], single[3])


def test_the_averaged_weights_are_the_ones_kept(pack_file, tmp_path):
    """Against the recursion written out: the first step is taken over, then d·old + (1-d)·new.

    d is (1 + n) / (10 + n) after the first n steps, as long as that is less than the decay.
    """
    expected = {}
    taken = {"steps": 0}
    with Pack(pack_file) as pack:
        run = trainer(pack, tmp_path, epochs=2, ema=0.9)
        step = run.optimizer.step

        def step_and_average(*args):
            step(*args)
            decay = min(0.9, (1 + taken["steps"]) / (10 + taken["steps"]))
            for name, new in run.net.named_parameters():
                value = new.detach().double()
                if taken["steps"]:
                    value = decay * expected[name] + (1 - decay) * value
                expected[name] = value
            taken["steps"] += 1

        run.optimizer.step = step_and_average
        run.run(ignore)
        for name, value in expected.items():
            average = run.evaluated.get_parameter(name).detach()
            torch.testing.assert_close(average.double(), value, rtol=1e-4, atol=1e-7)
        assert not torch.equal(run.evaluated.halve.weight, run.net.halve.weight)


def test_layer_decay_and_a_frozen_backbone(pack_file, tmp_path):
    with Pack(pack_file) as pack:
        run = trainer(pack, tmp_path, layer_decay=0.5)
        rates = {
            name: group["initial_lr"]
            for group in run.optimizer.param_groups
            for parameter in group["params"]
            for name, own in run.net.named_parameters()
            if own is parameter
        }
        out_indices = run.net.backbone.out_indices
        assert rates["halve.weight"] == 1e-3
        assert rates[f"backbone.vit.blocks.{out_indices[-1]}.attn.qkv.weight"] == 0.5e-3
        assert rates[f"backbone.vit.blocks.{out_indices[-1] - 1}.attn.qkv.weight"] == 0.25e-3
        assert rates["backbone.vit.patch_embed.proj.weight"] == 1e-3 * 0.5 ** (out_indices[-1] + 2)

        frozen = trainer(pack, tmp_path, freeze_blocks="all", epochs=1)
        before = {name: value.clone() for name, value in frozen.net.state_dict().items()}
        frozen.run(ignore)
        changed = {
            name.split(".")[0]
            for name, value in frozen.net.state_dict().items()
            if not torch.equal(value, before[name])
        }
        assert "backbone" not in changed
        assert {"distortion_attention", "fusion", "unit1", "regression"} <= changed


def test_the_first_blocks_can_be_kept_as_they_are(pack_file, tmp_path):
    with Pack(pack_file) as pack:
        run = trainer(pack, tmp_path, freeze_blocks=1, epochs=1)
        before = {name: value.clone() for name, value in run.net.backbone.state_dict().items()}
        run.run(ignore)
        changed = {
            ".".join(name.split(".")[1:3])
            for name, value in run.net.backbone.state_dict().items()
            if not torch.equal(value, before[name])
        }
        assert changed == {f"blocks.{k}" for k in range(1, run.net.backbone.out_indices[-1] + 1)}


def test_a_loss_that_is_no_number_names_the_images(pack_file, tmp_path):
    with Pack(pack_file) as pack:
        run = trainer(pack, tmp_path)
        run.epoch(1)
        run.save_progress()
        with torch.no_grad():
            run.net.halve.weight.fill_(torch.nan)
        with pytest.raises(DpamError, match=r"epoch 2: the loss is nan on the batch images/photo"):
            run.epoch(2)
        assert run.progress.path.exists()


def test_a_run_that_diverged_is_not_tried_again_but_under_other_settings(pack_file, tmp_path):
    with Pack(pack_file) as pack:
        run = trainer(pack, tmp_path)
        with torch.no_grad():
            run.net.halve.weight.fill_(torch.nan)
        with pytest.raises(DpamError, match="the loss is nan"):
            run.run(ignore)
        with pytest.raises(DpamError, match=r"the loss is nan .*; to try again, remove .*diverged"):
            trainer(pack, tmp_path).run(ignore)
        other = trainer(pack, tmp_path, learning_rate=1e-5)
        other.run(ignore)
        assert len(other.history) == other.settings.epochs
        assert not run.progress.diverged.exists()


def test_bfloat16_on_request(pack_file, tmp_path):
    with Pack(pack_file) as pack:
        exact, rounded = (
            trainer(pack, tmp_path / name, epochs=2, precision=name)
            for name in ("float32", "bfloat16")
        )
        for run in (exact, rounded):
            run.run(ignore)
        losses = [[row["loss"] for row in run.history] for run in (exact, rounded)]
        assert losses[0] != losses[1]
        np.testing.assert_allclose(*losses, rtol=0.05)
        assert {p.dtype for p in rounded.net.parameters()} == {torch.float32}


def test_parts_and_distortion_types_choose_rows(pack_file):
    with Pack(pack_file) as pack:
        rows = rows_of_subsets(pack, split(pack), "noise")
        assert rows["train"].tolist() == [1, 3, 5, 7]
        assert rows["test"].tolist() == [11]
        with pytest.raises(DpamError, match=r"no image of distortion type 'fog'.*blur, noise"):
            rows_of_subsets(pack, split(pack), "fog")
        with pytest.raises(DpamError, match="1 images are in no subset"):
            rows_of_subsets(pack, split(pack).iloc[1:], "all")


def test_too_few_images_for_a_batch_are_refused(pack_file, tmp_path):
    with Pack(pack_file) as pack, pytest.raises(DpamError, match="do not fill one batch of 9"):
        trainer(pack, tmp_path, batch_size=9)


def test_released_schedule_has_a_period_of_100_batches():
    released = TrainingSettings()
    factors = [rate_factor(released, step, 1000) for step in range(201)]
    assert factors[0] == factors[100] == factors[200] == 1
    assert factors[50] == factors[150] == 0
    # CosineAnnealingLR(T_max=50) in its closed form
    np.testing.assert_allclose(factors[25], 0.5)
    cosine = TrainingSettings(schedule="cosine", warmup=0.05)
    whole = [rate_factor(cosine, step, 100) for step in range(100)]
    assert max(whole) == whole[5] == 1
    assert whole[0] < 1
    assert whole[-1] < 0.01
    stairs = TrainingSettings(schedule="epoch_cosine", epochs=4)
    factors = [rate_factor(stairs, step, 12) for step in range(12)]
    np.testing.assert_allclose(factors[::3], [1, 0.5 + 0.125**0.5, 0.5, 0.5 - 0.125**0.5])
    assert factors[::3] == factors[2::3]
    constant = TrainingSettings(schedule="constant", warmup=0.5)
    assert [rate_factor(constant, step, 4) for step in range(4)] == [0.5, 1, 1, 1]


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
