"""What TensorBoard shows of a training run: numbers, and now and then scatter plots and maps."""

from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from torch.utils.tensorboard import SummaryWriter

from dpam.inference.predict import network_inputs
from dpam.model import DPAM
from dpam.pack.batches import collate, fixed_views
from dpam.pack.joined import AnyPack
from dpam.training.trainer import Trainer

SHOWN = 4  # images whose maps are drawn
PICTURES = 10  # epochs of a run of which pictures are shown
EVENTS = ".dpam"  # at the end of the names of files


def fresh_events(folder: Path) -> SummaryWriter:
    """What writes to TensorBoard; a resumed run reports its earlier epochs again."""
    for earlier in folder.glob(f"events.out.tfevents.*{EVENTS}"):
        earlier.unlink()
    return SummaryWriter(str(folder), filename_suffix=EVENTS)


def draw_epoch(epoch: int, trainer: Trainer) -> dict[str, Figure]:
    """Now and then, pictures of an epoch for TensorBoard, by their names there."""
    epochs = trainer.settings.epochs
    newest = epoch == len(trainer.history)  # no weights are at hand for those before
    if not newest or (epoch % max(1, epochs // PICTURES) and epoch != epochs):
        return {}
    pictures = {}
    for subset, predictions in trainer.predictions.items():
        label = trainer.label[trainer.rows[subset]]
        title = f"{subset}, epoch {epoch}"
        pictures[f"scatter/{subset}"] = scatter(predictions[-1].numpy(), label, title)
    shown = trainer.rows["validation" if len(trainer.rows["validation"]) else "train"]
    _, where = trainer.datasets.groups(shown)[0]
    if isinstance(trainer.evaluated, DPAM):
        pictures["quality maps"] = quality_maps(
            trainer.evaluated, trainer.pack, shown[where], trainer.device
        )
    return pictures


def scatter(prediction: np.ndarray, label: np.ndarray, title: str) -> Figure:
    """Prediction against label, both (n,) and 0 to 1."""
    figure = Figure(figsize=(4, 4), layout="constrained")
    axes = figure.subplots()
    axes.axline((0, 0), slope=1, color="0.8", linewidth=1)
    axes.plot(label, prediction, ".", markersize=4, alpha=0.6)
    axes.set(title=title, xlabel="label", ylabel="prediction", aspect="equal")
    axes.set(xlim=(-0.05, 1.05), ylim=(-0.05, 1.05))
    return figure


@torch.inference_mode()
def quality_maps(net: DPAM, pack: AnyPack, rows: np.ndarray, device: torch.device) -> Figure:
    """A few images from the worst to the best label: photograph, token scores, token weights.

    Args:
        net: on `device`; left in evaluation mode.
        pack: where the images are.
        rows: of the pack, to choose from; of one dataset.
        device: where the network lies.
    """
    net.eval()
    size = pack.preparation.image_size
    label = pack.labels["label"].to_numpy()
    ordered = rows[np.argsort(label[rows], kind="stable")]
    chosen = ordered[np.linspace(0, len(ordered) - 1, min(SHOWN, len(ordered))).astype(int)]
    views = [fixed_views(pack.prepared(int(row)), size, 1)[0] for row in chosen]
    batch = collate(views, size).to(device)
    image, texture, mean, covariance = network_inputs(net, batch)
    score, token_score, token_weight = net(image, texture, mean, covariance, return_maps=True)
    figure = Figure(figsize=(6, 2 * len(chosen)), layout="constrained")
    grid = figure.subplots(len(chosen), 3, squeeze=False)
    for axes, image, row, number, scores, weights in zip(
        grid, batch.image.cpu(), chosen, score, token_score.cpu(), token_weight.cpu(), strict=True
    ):
        axes[0].imshow(image.permute(1, 2, 0).numpy())
        axes[0].set_title(f"label {label[row]:.2f}, prediction {number:.2f}", fontsize=8)
        axes[1].imshow(scores.numpy(), vmin=0, vmax=1)
        axes[1].set_title("score of each token", fontsize=8)
        axes[2].imshow(weights.numpy(), cmap="gray")
        axes[2].set_title("its weight", fontsize=8)
        for ax in axes:
            ax.set_axis_off()
    return figure
