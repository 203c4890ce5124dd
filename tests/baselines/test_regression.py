"""Baselines find what is there to be found, and choose their settings by the validation set."""

import numpy as np
import pytest
import torch
from samples import photograph

from dpam.baselines.regression import draw_validation, fit_baseline, with_settings
from dpam.baselines.vit_features import squares, token_statistics, vit_features
from dpam.evaluation.baselines import BASELINES
from dpam.evaluation.correlation import plcc, srcc
from dpam.model.backbone import Backbone


def problem(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Features of very different scales, of which two decide the label."""
    features = np.random.default_rng(seed).normal(size=(n, 12)) * np.logspace(-3, 3, 12)
    signal = features[:, 0] * 1e3 + np.tanh(features[:, 11] / 1e3)
    return features, 0.5 + 0.1 * signal


@pytest.mark.parametrize("name", BASELINES)
def test_a_relation_is_learnt(name: str) -> None:
    model, settings = fit_baseline(name, problem(200), problem(50, 1))
    features, label = problem(100, 2)
    assert srcc(model.predict(features), label) > 0.9
    assert settings.keys() == BASELINES[name].grid.keys()


@pytest.mark.parametrize("name", BASELINES)
def test_the_settings_are_those_best_on_validation_images(name: str) -> None:
    train, validation = problem(60), problem(30, 1)
    model, settings = fit_baseline(name, train, validation)

    def value(chosen: dict[str, float]) -> float:
        prediction = with_settings(name, chosen).fit(*train).predict(validation[0])
        return srcc(prediction, validation[1]) + plcc(prediction, validation[1])

    grid = BASELINES[name].grid
    (first, values), *rest = grid.items()
    every = [{first: a} for a in values]
    for key, choices in rest:
        every = [{**one, key: b} for one in every for b in choices]
    assert value(settings) == pytest.approx(max(map(value, every)))
    again, _ = fit_baseline(name, train, validation)
    np.testing.assert_array_equal(again.predict(train[0]), model.predict(train[0]))


@pytest.mark.parametrize("name", BASELINES)
def test_constant_labels_are_no_failure(name: str) -> None:
    features, _ = problem(20)
    model, _ = fit_baseline(name, (features, np.full(20, 0.4)), (features, np.full(20, 0.4)))
    np.testing.assert_allclose(model.predict(features), 0.4, atol=0.03)


def test_references_are_held_out_whole() -> None:
    reference = [f"scene{i // 4}" for i in range(64)] + [""] * 16
    chosen = draw_validation(reference, 20)
    assert chosen[:64].reshape(16, 4).std(axis=1).max() == 0
    groups = chosen[:64:4].sum() + chosen[64:].sum()
    assert groups == 4  # an eighth of 16 references and 16 images
    assert (draw_validation(reference, 20) == chosen).all()
    assert (draw_validation(reference, 21) != chosen).any()


def test_token_statistics_are_means_and_deviations_of_tokens() -> None:
    torch.manual_seed(0)
    backbone = Backbone("test_vit", False, 64, [3, 5], None).eval()
    image = torch.randint(0, 255, (2, 3, 64, 64), dtype=torch.uint8)
    with torch.no_grad():
        found = token_statistics(backbone, image)
        mean, std = (torch.tensor(v).view(3, 1, 1) for v in (backbone.mean, backbone.std))
        tokens = backbone((image / 255 - mean) / std)
    assert found.shape == (2, 2 * backbone.channels)
    torch.testing.assert_close(found[0, 5], tokens[0, 5].mean())
    torch.testing.assert_close(found[1, backbone.channels + 7], tokens[1, 7].std())


def test_features_do_not_depend_on_the_batch() -> None:
    torch.manual_seed(0)
    backbone = Backbone("test_vit", False, 64, None, None)
    images = [squares(photograph(i), ("whole", "crop")[i % 2], 64) for i in range(5)]
    assert [len(image) for image in images] == [1, 5, 1, 5, 1]
    cpu = torch.device("cpu")
    together = vit_features(backbone, images, cpu)
    apart = [vit_features(backbone, [image], cpu)[0] for image in images]
    np.testing.assert_allclose(together, apart, atol=1e-5)
    mean = np.mean([vit_features(backbone, [[square]], cpu)[0] for square in images[1]], axis=0)
    np.testing.assert_allclose(together[1], mean, atol=1e-5)
    assert vit_features(backbone, [], cpu).shape == (0, 2 * backbone.channels)


def test_small_photographs_are_enlarged_for_crops() -> None:
    for height, width in ((40, 90), (64, 64), (30, 30)):
        found = squares(photograph(0)[:height, :width], "crop", 64)
        assert {square.shape for square in found} == {(64, 64, 3)}
