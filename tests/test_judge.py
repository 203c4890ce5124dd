"""The measurements of the model card, benchmarks/judge, on small networks and few images."""

import importlib
import io
import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from samples import ABOUT, in_full, photograph, save_judge
from scipy.stats import kendalltau
from sklearn.metrics import roc_auc_score

import dpam
from dpam.baselines.brisque import brisque_features
from dpam.errors import DpamError
from dpam.evaluation.correlation import srcc
from dpam.evaluation.formatting import decimal
from dpam.model import create
from dpam.model.checkpoint import load_checkpoint, save_checkpoint

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def judge():
    """The package benchmarks.judge; its modules are attributes."""
    sys.path.insert(0, str(ROOT))
    try:
        package = importlib.import_module("benchmarks.judge")
        for name in ("__main__", "fine"):
            importlib.import_module(f"benchmarks.judge.{name}")
    finally:
        sys.path.remove(str(ROOT))
    return package


@pytest.fixture
def checkpoint(tmp_path):
    """A small network whose scores depend on the image."""
    torch.manual_seed(3)
    net = create(network="pooled", backbone="test_vit", image_size=64, out_indices=[1, 3])
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, 0, 0.1)
    about = {**ABOUT, "preparation": vars(in_full()), "training": {"epochs": 2}}
    about["interval"] = {"coverage": 0.9, "half_width": 0.15, "images": 40}
    save_checkpoint(tmp_path / "tiny.safetensors", net, about)
    return tmp_path / "tiny.safetensors"


@pytest.fixture
def small(judge, monkeypatch):
    """Few and small images, few steps and draws."""
    monkeypatch.setattr(judge.ladders, "PHOTOGRAPHS", judge.ladders.PHOTOGRAPHS[1:6])
    monkeypatch.setattr(judge.ladders, "CROPS", {"whole": (0, 1), "lower right": (0.25, 0.75)})
    monkeypatch.setattr(judge.ladders, "SIDE", 72)
    monkeypatch.setattr(
        judge.ladders, "DEFECTS", {k: judge.ladders.DEFECTS[k] for k in ("noise", "blur")}
    )
    monkeypatch.setattr(judge.ladders, "UNSEEN", ("pixelate",))
    monkeypatch.setattr(judge.maps, "PHOTOGRAPHS", judge.maps.PHOTOGRAPHS[2:4])
    monkeypatch.setattr(judge.maps, "DEFECTS", {"noise": judge.maps.DEFECTS["noise"]})
    monkeypatch.setattr(judge.maps, "UNSEEN", ("pixelate",))
    monkeypatch.setattr(judge.sizes, "NAMES", ("coffee",))
    monkeypatch.setattr(judge.sizes, "SIDES", (64, 128))
    monkeypatch.setattr(judge.absurd, "STEPS", 4)
    monkeypatch.setattr(judge.speed, "COUNT", 2)
    monkeypatch.setattr(judge.speed, "ROUNDS", 1)
    monkeypatch.setattr(judge.heldout, "DRAWS", 20)


@pytest.fixture
def dataset(tmp_path):
    """Folders as the pipeline makes them, of 60 images: 30 train, 10 validate, 20 test."""
    rng = np.random.default_rng(0)
    names = [f"Images/ss0{1 + i % 2} ({i}).png" for i in range(60)]
    labels = pd.DataFrame({"image": names, "reference": "", "group": [n[7:11] for n in names]})
    labels["label"] = rng.random(60) * 0.5 + 0.25 * np.arange(60) % 2 * 0.5
    subsets = ["train"] * 30 + ["validation"] * 10 + ["test"] * 20
    near = pd.DataFrame(
        {
            "image": [names[0], names[59], names[41], names[2]],
            "other": [names[58], names[35], names[42], names[30]],
        }
    )
    (tmp_path / "root/Images").mkdir(parents=True)
    for i, name in enumerate(names):
        Image.fromarray(photograph(i)).save(tmp_path / "root" / name)
    labels.to_csv(tmp_path / "labels.csv", index=False)
    splits = pd.DataFrame({"image": names, "official": subsets})
    splits.to_csv(tmp_path / "splits.csv", index=False)
    near.to_csv(tmp_path / "near_duplicates.csv", index=False)
    return tmp_path, tmp_path / "root"


class ByNumbers:
    """A judge that scores by a function of the image."""

    title, about = "by numbers", {"id": "numbers"}

    def __init__(self, judge, function):
        self.function, self.rating = function, judge.judges.Rating

    def rate(self, photos):
        for photo in photos:
            if isinstance(photo, bytes):
                photo = np.asarray(Image.open(io.BytesIO(photo)).convert("RGB"))
            yield self.rating(float(np.clip(self.function(photo.astype(float)), 0, 100)))


def test_shares_in_the_right_order_and_areas_under_the_curve_are_those_of_plain_loops(judge):
    table = np.random.default_rng(0).integers(0, 8, (7, 6)).astype(float)
    pairs = [
        row[less] > row[more] for row in table for less in range(6) for more in range(less + 1, 6)
    ]
    assert judge.ladders.right_order(table) == np.mean(pairs)
    assert judge.ladders.right_order(np.ones((3, 6))) == 0  # a judge that says nothing
    truth = [1] * 7 + [0] * 7
    expected = roc_auc_score(truth, np.concatenate([table[:, 0], table[:, 4]]))
    assert judge.ladders.auc(table[:, 0], table[:, 4]) == pytest.approx(expected)


def test_a_judge_that_likes_noise_is_found_out(judge, small):
    def smooth(rgb):
        return 100 - np.abs(np.diff(rgb, axis=1)).mean()

    good = judge.ladders.measure(ByNumbers(judge, smooth))
    bad = judge.ladders.measure(ByNumbers(judge, lambda rgb: 100 - smooth(rgb)))
    assert good["kinds"]["noise"]["right_order"] == 1
    assert bad["kinds"]["noise"]["right_order"] == 0
    assert good["kinds"]["noise"]["auc"]["5"] == 1
    assert good["photographs"][:2] == [["coffee", "whole"], ["coffee", "lower right"]]
    assert [k["seen"] for k in good["kinds"].values()] == [True, True, False]
    assert good["kinds"]["noise"]["strengths"] == [6, 11, 19, 31, 50]


def test_near_duplicates_of_the_test_set_are_those_of_other_subsets(judge, dataset):
    judged = judge.dataset.Judged.read(*dataset)
    near = judged.test.loc[judged.test["near"], "image"]
    assert [name.partition("(")[2] for name in near] == ["58).png", "59).png"]
    train = judged.labels.iloc[judged.rows("train")]
    means = train.groupby("group")["label"].mean()
    assert judged.test["group_mean"].tolist() == [means[g] for g in judged.test["group"]]
    splits = pd.read_csv(dataset[0] / "splits.csv")
    splits[splits["official"] != "test"].to_csv(dataset[0] / "splits.csv", index=False)
    with pytest.raises(DpamError, match="draw the splits again"):
        judge.dataset.Judged.read(*dataset)


def test_agreement_is_of_the_images_named(judge, dataset, small):
    judged = judge.dataset.Judged.read(*dataset)
    test = judged.test
    rng = np.random.default_rng(1)
    ratings = [
        judge.judges.Rating(100 * (0.7 * label + 0.3 * rng.random())) for label in test["label"]
    ]
    asked = type("Asked", (), {"rate_test": lambda self, _: ratings})()
    found = judge.heldout.measure(asked, judged)
    prediction = np.array([rating.score / 100 for rating in ratings])
    label, near = test["label"].to_numpy(), test["near"].to_numpy()
    assert found["all"]["srcc"] == pytest.approx(srcc(prediction, label))
    apart = found["without near-duplicates"]
    assert apart["n"] == 18
    assert apart["srcc"] == pytest.approx(srcc(prediction[~near], label[~near]))
    first = (test["group"] == "ss01").to_numpy()
    assert found["groups"]["ss01"]["srcc"] == pytest.approx(srcc(prediction[first], label[first]))
    assert found["floor"]["all"]["srcc"] == pytest.approx(srcc(test["group_mean"], label))
    for name, ends in found["all"]["intervals"].items():
        if name != "n":
            assert ends[0] < found["all"][name] < ends[1], name
    assert "coverage" not in found


def test_intervals_of_krcc_are_those_of_draws_with_replacement(judge, monkeypatch):
    monkeypatch.setattr(judge.heldout, "DRAWS", 300)
    rng = np.random.default_rng(4)
    x, y = rng.integers(0, 9, 40).astype(float), rng.integers(0, 9, 40).astype(float)
    drawn = np.random.default_rng(judge.heldout.SEED).multinomial(40, np.full(40, 1 / 40), 300)
    rows = [np.repeat(np.arange(40), counts) for counts in drawn]
    plain = [kendalltau(x[row], y[row]).statistic for row in rows]
    np.testing.assert_allclose(
        judge.heldout.krcc_interval(x, y), np.quantile(plain, [0.025, 0.975]), rtol=1e-6
    )


def test_coverage_counts_labels_within_intervals(judge):
    rng = np.random.default_rng(2)
    test = pd.DataFrame({"label": rng.random(100), "group": ["ss01", "ss02"] * 50})
    score = 100 * rng.random(100)
    ratings = pd.DataFrame({"score": score, "low": score - 20, "high": score + 30})
    found = judge.heldout.coverage(ratings, test)
    inside = [
        low <= 100 * y <= high
        for low, high, y in zip(*map(list, (score - 20, score + 30, test["label"])), strict=True)
    ]
    assert found["all"] == {
        "n": 100,
        "inside": np.mean(inside),
        "width": pytest.approx(50),
        "lowest": score.min(),
        "highest": score.max(),
    }
    assert found["groups"]["ss02"]["inside"] == np.mean(inside[1::2])
    lowest = np.argsort(score)[:10]
    assert found["deciles"][0]["inside"] == np.mean(np.array(inside)[lowest])
    assert found["deciles"][9]["highest"] == score.max()


def test_a_half_is_told_by_what_is_lost_there(judge):
    lost = np.zeros((5, 5))
    lost[:, :2], lost[:, 2] = 0.3, 9  # the middle column is in both halves
    assert judge.maps.between_halves(lost, "left") == pytest.approx(0.3)
    assert judge.maps.between_halves(lost, "right") == pytest.approx(-0.3)
    rgb = photograph(1, 80, 120)
    changed = judge.maps.half_degraded(rgb, "a", "noise", "right")
    assert np.array_equal(changed[:, :60], rgb[:, :60])
    assert (changed[:, 60:] != rgb[:, 60:]).mean() > 0.5


def test_sizes_compare_the_same_photograph(judge, small):
    found = judge.sizes.measure(ByNumbers(judge, lambda rgb: rgb.mean() / 2.56))
    by_form = found["photographs"]["coffee"]
    assert set(by_form) == set(judge.figures.FORMS)
    np.testing.assert_allclose(by_form["JPEG"], by_form["PNG"], atol=0.5)
    assert by_form["PNG"][0] == pytest.approx(by_form["PNG"][1], abs=0.5)
    assert found["in_a_batch"] == {"photographs": 12, "largest_difference": 0}
    rough = judge.sizes.measure(ByNumbers(judge, lambda rgb: np.diff(rgb, axis=1).std()))
    noisy = rough["photographs"]["coffee"]
    assert min(np.subtract(noisy["noise"], noisy["PNG"])) > 3
    assert max(np.subtract(noisy["blur"], noisy["PNG"])) < 0


def test_pixels_climb_the_score_and_stay_an_image(judge, checkpoint, small):
    network = judge.judges.Network(checkpoint)
    metric = judge.absurd.IqaMetric(network.scorer, as_loss=True)
    found = judge.absurd.optimised(network, metric, photograph(0))
    assert 0 <= found["lowered"] < found["start"] < found["raised"] <= 100
    assert 0 < found["raised_change"] < 10
    assert judge.absurd.climb(metric, photograph(0), 1.0).dtype == np.uint8


def test_absurd_images_are_what_they_are_called(judge):
    drawn = {name: draw() for name, draw in judge.absurd.DRAWN.items()}
    assert all(image.shape == (512, 512, 3) and image.dtype == np.uint8 for image in drawn.values())
    assert np.ptp(drawn["black"]) == np.ptp(drawn["white"]) == 0
    fine = drawn["a checkerboard of single pixels"][..., 0].astype(int)
    assert (np.abs(np.diff(fine, axis=0)) == 255).all()
    assert (np.diff(drawn["a gradient from black to white"][0, :, 0].astype(int)) >= 0).all()
    for name in ("a page of text", "a window on a screen", "a flat drawing"):
        assert drawn[name].std() > 20, name


def run(judge, monkeypatch, *words):
    monkeypatch.setattr("sys.argv", ["judge", *map(str, words)])
    judge.__main__.main()


def test_all_sections_of_a_network_and_a_baseline_and_the_page(
    judge, checkpoint, dataset, small, tmp_path, monkeypatch
):
    data, root = dataset
    where = ["--data", data, "--root", root]
    one, two = tmp_path / "network.json", tmp_path / "brisque.json"
    run(judge, monkeypatch, "measure", checkpoint, "--output", one, "--title", "ours", *where)
    images = pd.read_csv(data / "labels.csv")["image"]
    np.save(
        tmp_path / "f.npy",
        [brisque_features(np.asarray(Image.open(root / image))) for image in images],
    )
    words = ["brisque_svr", "--features", tmp_path / "f.npy", "--output", two, *where]
    run(judge, monkeypatch, "measure", *words, "--sections", "test", "ladders", "absurd")
    ours, brisque = (json.loads(file.read_text()) for file in (one, two))
    assert 0 <= ours["bounds"][0] < ours["bounds"][1] <= 100
    assert ours["test"]["all"]["n"] == brisque["test"]["all"]["n"] == 20
    assert ours["speed"]["together"] > 0
    assert "optimised" not in brisque["absurd"]
    assert 0 < ours["test"]["coverage"]["all"]["width"] <= 30
    assert sum(part["n"] for part in ours["test"]["coverage"]["deciles"]) == 20
    assert "coverage" not in brisque["test"]

    before = dict(ours)
    run(judge, monkeypatch, "measure", checkpoint, "--output", one, "--sections", "sizes")
    after = json.loads(one.read_text())
    assert after["ladders"] == before["ladders"]
    assert after["sizes"]["photographs"] == before["sizes"]["photographs"]
    with pytest.raises(SystemExit, match="numbers of another judge"):
        run(judge, monkeypatch, "measure", checkpoint, "--output", two)

    page = tmp_path / "docs/judge.md"
    page.parent.mkdir()
    names = ("card", "test", "within", "ladders", "maps", "sizes", "coverage", "absurd", "speed")
    names += ("examples",)
    marks = "\n\n".join(f"<!-- begin {name} -->\nold\n<!-- end {name} -->" for name in names)
    page.write_text(f"# The judge\n\nBy hand.\n\n{marks}\n\nThe end.\n")
    words = ["page", one, two, "--page", page, "--images", page.parent / "images"]
    run(judge, monkeypatch, *words)
    text = page.read_text()
    assert text.startswith("# The judge\n\nBy hand.\n\n<!-- begin card -->\n| ")
    assert "old" not in text
    assert text.endswith("The end.\n")
    assert decimal(ours["test"]["all"]["srcc"]) in text
    assert "MetaQAP, as published | 0.877 | 0.884" in text
    assert f"- **{after['title']}**: From 64 to 128 pixels" in text
    assert f"{ours['maps']['grey']:.2f} ({after['title']}): so much comes from a patch" in text
    for name in (
        "judge_ladders.png",
        "judge_sizes.png",
        "judge_map.jpg",
        "judge_80.jpg",
        "judge_20.jpg",
    ):
        assert f"images/{name}" in text
        assert 0 < (page.parent / "images" / name).stat().st_size < 150_000
    run(judge, monkeypatch, *words)
    assert page.read_text() == text
    page.write_text(text.replace("<!-- end speed -->", ""))
    with pytest.raises(SystemExit, match="end speed"):
        run(judge, monkeypatch, *words)
    del ours["speed"]
    one.write_text(json.dumps(ours))
    with pytest.raises(SystemExit, match="found none of speed"):
        run(judge, monkeypatch, *words)


def test_the_fine_judge_is_the_mean_with_another_last_layer(judge, dataset, tmp_path, monkeypatch):
    """All of its steps, on small networks."""
    data, root = dataset
    splits = pd.read_csv(data / "splits.csv")
    splits.loc[20:29, "official"] = "validation"
    splits.to_csv(data / "splits.csv", index=False)
    kind = "vit_small_patch14_dinov2"
    fast = save_judge(tmp_path / "weights/judge.safetensors", kind, 56)
    monkeypatch.setattr("dpam.inference.judge.WEIGHTS", fast.parent)
    net, about = load_checkpoint(fast)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter *= 0.9
    start = tmp_path / "start.safetensors"
    save_checkpoint(start, net, about)
    fine = judge.fine
    monkeypatch.setattr(fine, "SIZE", 70)
    monkeypatch.setattr(fine, "COUNT", 16)
    monkeypatch.setattr(fine, "KEPT", 24)
    monkeypatch.setattr(fine, "FOR_PLACES", 3)
    before = fine.mean_of(start)
    judged = judge.dataset.Judged.read(data, root)
    looks, levels = fine.draw(judged.labels.iloc[judged.rows("train")])
    assert (np.diff(levels) >= 0.29).all()
    assert levels.max() <= 5
    assert len(looks) == 3 * len(levels) == 48

    work = tmp_path / "work"
    words = [str(start), "--data", str(data), "--root", str(root), "--work", str(work)]
    monkeypatch.setattr("sys.argv", ["fine", *words])
    fine.main()
    made, about = load_checkpoint(work / "judge_fine.safetensors")
    assert (made.image_size, about["validation"]["images"]) == (70, 20)
    assert about["interval"]["half_width"] > 0
    assert dpam.load(work / "judge_fine.safetensors").score(root / "Images/ss01 (0).png") >= 0
    known, now = before.state_dict(), made.state_dict()
    for name, tensor in known.items():
        close = torch.allclose(now[name], tensor, atol=1e-3, rtol=1e-3)
        assert close or name.startswith("out."), name
    assert not torch.equal(now["out.weight"], known["out.weight"].half().float())

    image = fine.planes(
        fine.resize(np.asarray(Image.open(root / looks[0].image)), 70, 70, "antialias")
    )
    if looks[0].flip:
        image = image.flip(-1)
    whole = before.pool(fine.normalise(before, image[None].float() / 255))[0]
    copies = torch.from_numpy(np.load(work / "defects.npy"))
    torch.testing.assert_close(copies[0], whole, atol=1e-5, rtol=1e-5)


def test_scores_of_photographs_stay_where_defects_are_learned(judge):
    """Features that photographs share and defects do not."""
    torch.manual_seed(0)
    net = create("pooled", backbone="test_vit", image_size=64, out_indices=[1])
    torch.nn.init.normal_(net.out.weight, std=0.05)
    wide = net.out.in_features
    spread = torch.linspace(0.05, 2, wide).flip(0)
    plain = torch.randn(600, wide) * spread
    levels = torch.tensor([0.0, 1.0, 3.0]).repeat(40, 1)
    step = torch.zeros(wide)
    step[-wide // 4 :] = 0.3  # where photographs hardly differ
    copies = plain[:40, None] + levels[..., None] * step * torch.rand(40, 1, 1)
    copies = copies.reshape(-1, wide)
    no_places = torch.zeros(wide, wide)
    made = judge.fine.refit(net, plain, copies, levels, no_places)

    unseen = torch.randn(50, wide) * spread
    with torch.no_grad():
        before, after = net.eval().head(unseen), made.head(unseen)
        ladder = [
            [one.head(unseen + level * 0.15 * step) for level in (0, 1, 2, 3)]
            for one in (net, made)
        ]
    assert np.corrcoef(before, after)[0, 1] > 0.97
    falls = [(torch.stack(rungs).diff(dim=0) < 0).float().mean() for rungs in ladder]
    assert falls[0] < 0.8
    assert falls[1] > 0.99

    place = torch.zeros(wide)
    place[-1] = 50.0  # what tells of places
    held = judge.fine.refit(net, plain, copies, levels, torch.outer(place, place))
    moved = [(one.out.weight - net.out.weight)[0, -1].abs() for one in (made, held)]
    assert moved[1] < 0.1 * moved[0]


def test_what_a_layer_says_of_places_is_told_from_its_weights(judge, tmp_path, monkeypatch):
    torch.manual_seed(0)
    net = create("pooled", backbone="test_vit", image_size=64, out_indices=[1, 3]).eval()
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, 0, 0.1)
    fine = judge.fine
    monkeypatch.setattr(fine, "SIZE", 64)
    monkeypatch.setattr(fine, "COLOURS", 2)

    def shares(rgb):
        tokens = net.tokens(fine.as_input(net, rgb))
        return net.shares(tokens, net.pool(fine.as_input(net, rgb)))[0].detach()

    weight = net.out.weight[0].detach()
    rgb = photograph(3)
    torch.testing.assert_close(fine.shares_by_weight(net, rgb) @ weight, shares(rgb))

    files = [tmp_path / f"{number}.png" for number in range(3)]
    for number, file in enumerate(files):
        Image.fromarray(photograph(number)).save(file)
    form = fine.of_places(net, files, tmp_path / "places.npy")
    expected = torch.stack([shares(np.asarray(Image.open(file))) for file in files]).mean(0)
    fields = [np.full((512, 512, 3), grey, np.uint8) for grey in fine.GREYS]
    drawn = np.random.default_rng(3).integers(0, 256, (2, 3))
    fields += [np.broadcast_to(colour, (512, 512, 3)).astype(np.uint8) for colour in drawn]
    of_fields = torch.stack([shares(field).square().mean() for field in fields]).mean()
    torch.testing.assert_close(weight @ form @ weight, expected.square().mean() + of_fields)
    files[0].unlink()
    assert torch.equal(fine.of_places(net, files, tmp_path / "places.npy"), form)


def test_maps_and_sizes_of_several_judges_stand_side_by_side(judge):
    def about(title, grey, scores):
        kinds = {"noise": [[0.1, 0.2], [0.3, 0.1]], "jpeg": [[0.0, 0.1], [0.0, 0.2]]}
        return {
            "title": title,
            "ladders": {"kinds": {"noise": {"seen": True}, "jpeg": {"seen": False}}},
            "maps": {"photographs": 2, "grey": grey, "kinds": kinds},
            "sizes": {
                "sides": [256, 512],
                "photographs": {
                    "a": dict.fromkeys(("PNG", "JPEG", "grey", "noise", "blur"), scores)
                },
                "in_a_batch": {"photographs": 2, "largest_difference": 0.0},
            },
        }

    judges = [about("one", 0.05, [50, 60]), {"title": "none"}, about("other", 0.3, [50, 52])]
    text = judge.tables.maps(judges, "images")
    assert (
        "75 % (one), 75 % (other). The map of a plain grey field spans 0.05 (one), 0.30 (ot" in text
    )
    assert text.count("| jpeg* | 100 % | 100 % | 0.150 |") == 1
    text = judge.tables.sizes(judges, "images")
    assert "**one**: From 256 to 512 pixels the score of a photograph moves by at most 10.0" in text
    assert (
        "**other**: From 256 to 512 pixels the score of a photograph moves by at most 2.0" in text
    )
    assert text.count("noise of 25 grey levels costs, on average | 0.0 | 0.0 |") == 2
