"""Networks of several datasets: one score, and a linear map to the scale of each."""

import pytest
import torch
from samples import ABOUT

from dpam.errors import DpamError
from dpam.experiments.settings import TrainingSettings
from dpam.model import create
from dpam.model.checkpoint import load_checkpoint, save_checkpoint, to_authors
from dpam.model.scales import answer_on_scale, scale_of, scales_of
from dpam.model.start import start_from
from dpam.training.optim import parameter_groups

SIZES = {
    "dpam": {"backbone": "test_vit", "image_size": 64, "embed_dim": 16},
    "pooled": {"backbone": "test_vit", "image_size": 64, "out_indices": [1, 3]},
}


def network(name="pooled", scales=("one", "two", "three")):
    torch.manual_seed(1)
    net = create(name, scales=scales, **SIZES[name])
    if scales:
        with torch.no_grad():
            net.scales.log_slope.copy_(torch.tensor([0.4, -0.3]))
            net.scales.offset.copy_(torch.tensor([0.1, -0.2]))
    return net.eval()


def inputs(net):
    known = {
        "image": torch.rand(2, 3, 64, 64),
        "texture": torch.rand(2, 1, 64, 64),
        "mean": torch.rand(2, 12, 3),
        "covariance": torch.rand(2, 12, 6) * 0.01,
    }
    return [known[name] for name in net.reads]


def test_each_dataset_has_its_line_and_the_first_the_score_itself():
    scales = network().scales
    score = torch.tensor([0.1, 0.5, 0.9, 0.3], requires_grad=True)
    member = torch.tensor([0, 1, 2, 0])
    found = scales(score, member)
    assert found[0] == score[0]
    assert found[3] == score[3]
    assert found[1].item() == pytest.approx(torch.tensor(0.4).exp().item() * 0.5 + 0.1)
    assert found[2].item() == pytest.approx(torch.tensor(-0.3).exp().item() * 0.9 - 0.2)
    found.sum().backward()
    slope = scales.log_slope.exp().detach()
    assert torch.allclose(score.grad, torch.stack([torch.tensor(1.0), *slope, torch.tensor(1.0)]))
    assert torch.equal(scales.offset.grad, torch.ones(2))
    assert torch.allclose(scales.log_slope.grad, slope * score[1:3].detach())
    assert torch.autograd.gradcheck(
        lambda s, o, x: torch.func.functional_call(
            scales.double(), {"log_slope": s, "offset": o}, (x, member)
        ),
        [torch.rand(n, dtype=torch.float64, requires_grad=True) for n in (2, 2, 4)],
    )


@pytest.mark.parametrize("name", ["dpam", "pooled"])
def test_a_network_without_them_has_none_and_one_with_them_is_the_same_network(name):
    plain, several = network(name, ()), network(name)
    assert scales_of(plain) is None
    assert "scales" not in plain.settings
    own = several.state_dict()
    extra = {"scales.log_slope", "scales.offset"}
    assert own.keys() - plain.state_dict().keys() == extra
    plain.load_state_dict({key: own[key] for key in own.keys() - extra})
    given = inputs(plain)
    assert torch.equal(plain(*given), several(*given))


@pytest.mark.parametrize("name", ["dpam", "pooled"])
def test_it_answers_on_the_scale_that_is_asked_for(name):
    net = network(name)
    given = inputs(net)
    before = net(*given, return_maps=True)
    for dataset in ("one", "of others"):
        answer_on_scale(net, dataset)
        assert scale_of(net, dataset) == (1, 0)
        assert torch.equal(net(*given), before[0])
    answer_on_scale(net, "two")
    slope, offset = scale_of(net, "two")
    quality, score, weight = net(*given, return_maps=True)
    assert torch.equal(quality, net(*given))
    assert torch.allclose(quality, slope * before[0] + offset)
    assert torch.equal(weight, before[2])
    if name == "dpam":  # the quality still is the weighted mean of the scores
        mean = (score * weight).sum((1, 2)) / weight.sum((1, 2))
        assert torch.allclose(quality, mean, atol=1e-5)


def test_they_travel_with_a_checkpoint_and_are_no_start_of_others(tmp_path):
    net = network()
    save_checkpoint(tmp_path / "net.safetensors", net, ABOUT)
    read, _ = load_checkpoint(tmp_path / "net.safetensors")
    assert scale_of(read, "three") == scale_of(net, "three")
    other = create("pooled", scales=["x", "y", "z"], **SIZES["pooled"])
    start_from(other, tmp_path / "net.safetensors")
    assert torch.equal(other.norm.weight, net.norm.weight)
    assert scale_of(other, "z") == (1, 0)
    with pytest.raises(DpamError, match="learned several datasets"):
        to_authors(network("dpam").state_dict())


def test_they_learn_as_the_head_does_without_weight_decay():
    net = network()
    groups = parameter_groups(net, TrainingSettings(learning_rate=0.1, layer_decay=0.5))
    *others, own = groups
    assert {id(p) for p in own["params"]} == {id(p) for p in net.scales.parameters()}
    assert (own["lr"], own["weight_decay"]) == (0.1, 0)
    assert all("weight_decay" not in group for group in others)
    count = sum(len(group["params"]) for group in groups)
    assert count == len(list(net.parameters()))
