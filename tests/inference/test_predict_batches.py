"""Answers about many images: the same however they are computed, and beside each other."""

import threading

import numpy as np
import pytest
import torch
from samples import in_full, photograph, preparation

from dpam.inference.predict import predict, predict_views
from dpam.model import DPAM, PooledViT, create
from dpam.pack.preparing import CPU, prepare


@pytest.fixture
def threads():
    """Two threads, whatever the machine has."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield 2
    torch.set_num_threads(before)


def pooled() -> PooledViT:
    torch.manual_seed(0)
    net = create("pooled", backbone="test_vit", image_size=64, out_indices=[1, 3])
    torch.nn.init.normal_(net.out.weight, 0, 0.05)
    assert isinstance(net, PooledViT)
    return net.eval()


def images(count: int):
    return [prepare(photograph(seed), in_full())[0] for seed in range(count)]


def test_batches_are_computed_beside_each_other_in_order(threads):
    """Two meet inside of the network, which one after the other never would."""
    net, many = pooled(), images(8)
    expected = [float(next(predict_views(net, [image], 64, 1, CPU)).quality[0]) for image in many]
    meeting, seen = threading.Barrier(2), []

    def meet(*_):
        seen.append(torch.get_num_threads())
        meeting.wait(timeout=30)

    net.register_forward_pre_hook(meet)
    found, _spread = predict(net, many, 64, 1, CPU, batch_size=2)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert len(set(expected)) == 8
    assert seen == [1] * 4
    assert torch.get_num_threads() == threads


def test_a_single_batch_has_all_threads(threads):
    net, seen = pooled(), []
    net.register_forward_pre_hook(lambda *_: seen.append(torch.get_num_threads()))
    predict(net, images(2), 64, 1, CPU, batch_size=2)
    assert seen == [threads]


def test_threads_come_back_when_answers_are_left_or_fail(threads):
    net = pooled()
    unread = predict_views(net, images(9), 64, 1, CPU)
    next(unread)
    unread.close()
    assert torch.get_num_threads() == threads

    def fail(*_):
        raise MemoryError

    net.register_forward_pre_hook(fail)
    with pytest.raises(MemoryError):
        predict(net, images(5), 64, 1, CPU)
    assert torch.get_num_threads() == threads


def test_autocast_around_it_reaches_the_threads(threads):
    net, kinds = pooled(), set()
    net.vit.blocks[0].mlp.fc1.register_forward_hook(lambda _, i, out: kinds.add(out.dtype))
    with torch.autocast("cpu", torch.bfloat16):
        predict(net, images(6), 64, 1, CPU)
    assert kinds == {torch.bfloat16}
    kinds.clear()
    predict(net, images(6), 64, 1, CPU)
    assert kinds == {torch.float32}


def test_views_of_an_image_may_lie_in_several_batches(threads):
    torch.manual_seed(1)
    net = DPAM("test_vit", image_size=64, embed_dim=16).eval()
    crops = [prepare(photograph(seed), preparation("crop"))[0] for seed in range(3)]
    together = list(predict_views(net, crops, 64, 5, CPU, batch_size=15))
    apart = list(predict_views(net, crops, 64, 5, CPU, batch_size=2))
    for one, other in zip(together, apart, strict=True):
        np.testing.assert_allclose(one.quality, other.quality, rtol=1e-4)
        np.testing.assert_allclose(one.token_weight, other.token_weight, rtol=1e-3)
        assert one.token_score.shape == (5, *one.token_score.shape[1:])
