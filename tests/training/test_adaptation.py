"""The last layer in closed form, against plain least squares and refits without a scene."""

import numpy as np
import pytest
import torch
from samples import in_full, photograph
from scipy.special import expit, logit
from scipy.stats import spearmanr

from dpam.errors import DpamError
from dpam.inference.predict import predict
from dpam.model import create
from dpam.pack.preparing import prepare
from dpam.training.adaptation import (
    EDGE,
    SMALLEST_SPREAD,
    Change,
    adapt,
    fit,
    last_features,
    most_cautious,
)

FEATURES = 7


def task(count: int, seed: int, own: float = 1.0, more: float = 1.0, noise: float = 0.05):
    """Features, the judge's last layer, and labels that follow the judge and something else."""
    rng = np.random.default_rng(seed)
    features = rng.normal(1, 2, (count, FEATURES)) * np.array([1, 0.2, 5, 1, 0.01, 1, 1])
    weight, other = np.array([0.2, 0, 0, 0, 0, 0.1, 0]), np.array([0, 1.5, 0, 0, 0, 0, 0.3])
    verdict = features @ weight - 0.3
    label = expit(own * verdict + more * (features - 1) @ other)
    return features, weight, -0.3, (label + rng.normal(0, noise, count)).clip(0, 1)


def scores(features: np.ndarray, weight: np.ndarray, bias: float, change: Change) -> np.ndarray:
    return expit(features @ (weight + change.weight) + bias + change.bias)


def least_squares(features, weight, bias, label, strength, told):
    """The same ridge regression, of its regressors, as one system of equations; in `told`."""
    verdict = features @ weight + bias
    spread = features.std(axis=0)
    spread = np.maximum(spread, SMALLEST_SPREAD * np.median(spread)) * np.sqrt(FEATURES)

    def regressors(rows):
        even = (rows - features.mean(axis=0)) / spread
        return np.column_stack([even, rows @ weight + bias, np.ones(len(rows))])

    held = label.clip(EDGE, 1 - EDGE)
    slope = 4 * held * (1 - held)
    held_back = np.eye(FEATURES + 2)[:-2] / np.sqrt(strength)
    system = np.vstack([slope[:, None] * regressors(features), held_back])
    wanted = np.append(slope * (logit(held) - verdict), np.zeros(FEATURES))
    return expit(told @ weight + bias + regressors(told) @ np.linalg.lstsq(system, wanted)[0])


@pytest.mark.parametrize("seed", range(3))
def test_the_change_is_the_ridge_regression_of_what_the_judge_did_not_know(seed):
    known, unseen = task(40, seed), task(30, seed + 100)[0]
    change = adapt(*known, np.arange(40))
    assert change.strength > 0
    expected = least_squares(*known, change.strength, unseen)
    np.testing.assert_allclose(scores(unseen, *known[1:3], change), expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("scene", [np.arange(12), np.repeat(np.arange(5), [4, 1, 2, 2, 3])])
def test_errors_without_a_group_are_those_of_fits_without_it(scene):
    rng = np.random.default_rng(4)
    x, wanted, noise = rng.normal(size=(12, 20)), rng.normal(size=12), 0.1 + rng.random(12)
    free = np.column_stack([np.ones(12), rng.normal(size=12)])
    groups = [np.flatnonzero(scene == name) for name in np.unique(scene)]
    error = fit(x @ x.T, free, noise, wanted, groups)[2]
    for rows in groups:
        kept = np.setdiff1d(np.arange(12), rows)
        dual, shares, _ = fit(x[kept] @ x[kept].T, free[kept], noise[kept], wanted[kept], [])
        told = x[rows] @ x[kept].T @ dual + free[rows] @ shares
        np.testing.assert_allclose(error[rows], wanted[rows] - told, atol=1e-9)


def test_labels_that_say_something_new_are_learned():
    features, weight, bias, label = task(200, 50)
    before = spearmanr(features @ weight, label)[0]
    change = adapt(*task(80, 1), np.arange(80))
    assert before < 0.5
    assert spearmanr(scores(features, weight, bias, change), label)[0] > 0.9
    assert np.abs(scores(features, weight, bias, change) - label).mean() < 0.06


def test_labels_that_say_nothing_new_change_the_scale_and_no_order():
    unseen, unmoved = task(200, 50)[0], 0
    for seed in range(10):
        features, weight, bias, label = task(80, seed, more=0, noise=0.1)
        label = 0.5 + 0.3 * (label - 0.6)
        change = adapt(features, weight, bias, label, np.arange(80))
        assert np.abs(scores(features, weight, bias, change) - label).mean() < 0.04
        order = spearmanr(scores(unseen, weight, bias, change), unseen @ weight)[0]
        assert order > (1 - 1e-12 if change.strength == 0 else 0.9)
        unmoved += change.strength == 0
    assert unmoved >= 5


def test_a_judge_that_is_turned_round_is_not_taken_as_a_scale():
    features, weight, bias, label = task(80, 1, more=0, noise=0.02)
    change = adapt(features, weight, bias, 1 - label, np.arange(80))
    assert change.strength > 0
    assert spearmanr(scores(features, weight, bias, change), 1 - label)[0] > 0.9


def test_labels_that_mean_nothing_do_not_turn_the_order_round_where_no_feature_moves():
    features, weight, bias, label = task(30, 2)
    unmoved = 0
    for seed in range(30):
        shuffled = np.random.default_rng(seed).permutation(label)
        change = adapt(features, weight, bias, shuffled, np.arange(30))
        told = scores(features, weight, bias, change)
        if change.strength == 0:
            unmoved += 1
            assert spearmanr(told, features @ weight)[0] > 1 - 1e-12
    assert unmoved >= 10


def test_copies_of_one_scene_teach_no_more_than_the_scene():
    features, weight, bias, label = task(12, 2, more=0, noise=0.3)
    rows = np.repeat(np.arange(12), 6)
    copies = features[rows] + 1e-3 * np.random.default_rng(0).normal(size=(72, FEATURES))
    apart = adapt(copies, weight, bias, label[rows], np.arange(72))
    together = adapt(copies, weight, bias, label[rows], rows)
    assert together.strength < apart.strength / 9


def test_the_most_cautious_fit_within_half_a_standard_error_is_taken():
    one_error_worse = [1.2, 0.9, 1.1, 1]
    hardly_worse = [1.1, 0.9, 1.05, 0.98]
    cost = np.array([[1.0, 1.2, 0.9, 1.1], [1] * 4, hardly_worse, one_error_worse, [3] * 4])
    assert most_cautious(cost) == 2
    assert most_cautious(cost[[0, 1, 3, 4]]) == 1


def test_labels_that_are_all_the_same():
    features, weight, bias, label = task(20, 3)
    with pytest.raises(DpamError, match="expected labels that differ"):
        adapt(features, weight, bias, np.full_like(label, 0.7), np.arange(20))


@pytest.mark.parametrize(("count", "scenes"), [(9, 9), (12, 4)])
def test_too_few_photographs_or_scenes(count, scenes):
    known = task(count, 0)
    with pytest.raises(DpamError, match=f"10 photographs of 5 scenes, found {count} of {scenes}"):
        adapt(*known, np.arange(count) % scenes)


def test_the_features_are_what_the_last_layer_reads():
    torch.manual_seed(0)
    net = create("pooled", backbone="test_vit", image_size=64, out_indices=[1, 3])
    torch.nn.init.normal_(net.out.weight, std=0.02)
    images = [prepare(photograph(seed), in_full())[0] for seed in range(5)]
    where = torch.device("cpu")
    features = last_features(net, images, 64, where)
    assert features.shape == (5, net.out.in_features)
    told = expit(features @ net.out.weight[0].detach().double().numpy() + net.out.bias.item())
    expected, _ = predict(net, images, 64, views="whole", device=where)
    assert expected.std() > 0.005
    np.testing.assert_allclose(told, expected, atol=1e-6)
    assert last_features(net, [], 64, where).shape == (0, net.out.in_features)
