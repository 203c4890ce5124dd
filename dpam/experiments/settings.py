"""Settings of the network and of training: each is one field, with its default, bounds and meaning.

The configuration's schema and the checks of `dpam train` are made from them. A field's metadata are
keywords of JSON Schema. Nothing here imports PyTorch, as the workflow reads this, too.
"""

from dataclasses import MISSING, dataclass, field, fields
from types import NoneType
from typing import Any, get_args, get_type_hints

KINDS = {int: "integer", float: "number", str: "string", bool: "boolean", NoneType: "null"}
ALL = "all"  # blocks of the backbone
JUDGE = "judge"  # as `start`: the weights that come with the package


def setting(default: Any, description: str, **bounds: Any) -> Any:
    """A field with its description and its bounds, as JSON Schema calls them."""
    return field(default=default, metadata={"description": description, **bounds})


@dataclass(frozen=True)
class ModelSettings:
    """The network. Attributes of the classes in `dpam.model`, and what its weights start from."""

    network: str = setting("dpam", "the paper's, or a linear head", enum=["dpam", "pooled"])
    start: str | None = setting(
        None, "file of a checkpoint that training starts from; judge, that of the package"
    )
    start_sha256: str | None = setting(
        None, "checksum that the start must have", pattern="^[0-9a-fA-F]{64}$"
    )
    backbone: str = setting("vit_base_patch8_224", "a Vision Transformer of timm")
    pretrained: bool = setting(True, "weights from the hub")
    weights: str | None = setting(None, "local file of weights for the backbone")
    out_indices: list[int] | None = setting(  # noqa: RUF009 # a field
        None,
        "blocks of the backbone to read, from 0; null, four from the middle on",
        items={"type": "integer", "minimum": 0},
        minItems=1,
    )
    embed_dim: int = setting(768, "width of the enhancement stage", minimum=8, multipleOf=8)
    dropout: float = setting(0.1, "0 switches all off", minimum=0, exclusiveMaximum=1)
    texture: str = setting("used", "what the texture's branch sees", enum=["used", "constant"])
    superpixels: str = setting(
        "used", "what the superpixels' branch sees", enum=["used", "constant"]
    )
    score_bias: float | None = setting(0.5, "what each patch's score starts at; null, at random")


@dataclass(frozen=True)
class TrainingSettings:
    """How to train; the defaults are the released ones."""

    epochs: int = setting(200, "passes over the training set", minimum=1)
    batch_size: int = setting(
        12, "images per forward pass; an incomplete last batch is left out", minimum=1
    )
    grad_accumulation: int = setting(
        1,
        "batches per step of the optimiser, whose gradient is their mean; the last step of an "
        "epoch may have fewer",
        minimum=1,
    )
    optimiser: str = setting(
        "adam",
        "adam adds the weight decay to the gradient, adamw decouples it",
        enum=["adam", "adamw"],
    )
    learning_rate: float = setting(1e-5, "its largest", exclusiveMinimum=0)
    weight_decay: float = setting(1e-5, "of the optimiser", minimum=0)
    layer_decay: float = setting(
        1.0,
        "factor of the learning rate from each block of the backbone to the one before; the last "
        "one that is read has it once",
        exclusiveMinimum=0,
        maximum=1,
    )
    freeze_blocks: int | str = setting(
        0,
        "how many first blocks of the backbone are kept as they are, with what lies before them; "
        "all: the whole backbone",
        minimum=0,
        pattern=f"^{ALL}$",
    )
    schedule: str = setting(
        "batch_cosine",
        "of the learning rate: batch_cosine, released, swings between it and 0 with a period of "
        "100 steps; epoch_cosine is one cosine down to 0, a stair per epoch; cosine has no stairs",
        enum=["batch_cosine", "epoch_cosine", "cosine", "constant"],
    )
    warmup: float = setting(
        0.0,
        "share of all steps over which the rate first rises linearly",
        minimum=0,
        exclusiveMaximum=1,
    )
    loss: str = setting(
        "mse",
        "what is minimised, see dpam/training/losses.py",
        enum=["mse", "smooth_l1", "plcc", "rank"],
    )
    plcc_weight: float = setting(0.0, "of 1 - PLCC of the batch beside the loss", minimum=0)
    degraded: float = setting(
        0.0,
        "weight of a loss on degraded copies of a quarter of each batch: of two copies with a "
        "defect the one with less of it should have the higher score; superpixels are those of "
        "the photograph as it is",
        minimum=0,
    )
    teacher: str | None = setting(
        None, "table of predictions (of dpam predict or dpam test) that are mixed with the labels"
    )
    teacher_weight: float = setting(
        0.0, "share of the teacher's prediction in what is learned", minimum=0, maximum=1
    )
    hflip: float = setting(0.7, "probability of mirroring left-right", minimum=0, maximum=1)
    crop: float = setting(
        0.0,
        "probability of reading 0.9 to 1 of either side of an image instead of all of it",
        minimum=0,
        maximum=1,
    )
    ema: float = setting(
        0.0,
        "decay per step of the moving average of the weights, which then is what is evaluated "
        "and kept, less in the first steps; 0: none",
        minimum=0,
        exclusiveMaximum=1,
    )
    selection: str = setting(
        "validation",
        "the epoch that is kept: the one with the largest SRCC + PLCC on validation, which is the "
        "last where that is of one reference or of fewer than five images; or the last anyway",
        enum=["validation", "last"],
    )
    patience: int = setting(
        0, "epochs without a better one on validation after which to stop; 0: never", minimum=0
    )
    clip_grad: float = setting(
        0.0, "largest norm of the gradient, which is scaled down to it; 0: any", minimum=0
    )
    watch_test: bool = setting(
        True,
        "whether every epoch is tested on the test set as well; if not, it is out of reach of "
        "training, and what stands for the epoch best on it is the last one",
    )
    precision: str = setting(
        "auto",
        "auto: bfloat16 on a GPU or processor that computes in it, else float32",
        enum=["auto", "float32", "bfloat16"],
    )
    compile: bool = setting(False, "whether to compile the network for training")
    grad_checkpointing: bool = setting(
        False,
        "whether to keep only each backbone block's input and compute what lies in it anew for "
        "its gradient: the same weights, half the memory, a ninth more work",
    )


SECTIONS = {"model": ModelSettings, "training": TrainingSettings}  # of the configuration

# What is refused of settings that are each allowed.
TOGETHER: dict[type, list[dict[str, Any]]] = {
    TrainingSettings: [
        {
            "if": {"properties": {"selection": {"const": "last"}}, "required": ["selection"]},
            "then": {
                "properties": {
                    "patience": {
                        "const": 0,
                        "description": "with selection last, validation is never looked at",
                    }
                }
            },
        },
        {
            "if": {"properties": {"teacher": {"type": "string"}}, "required": ["teacher"]},
            "then": {
                "properties": {
                    "teacher_weight": {
                        "exclusiveMinimum": 0,
                        "description": "share of the teacher, who is named",
                    }
                },
                "required": ["teacher_weight"],
            },
            "else": {
                "properties": {
                    "teacher_weight": {
                        "const": 0,
                        "description": "share of a teacher, but none is named",
                    }
                }
            },
        },
    ]
}


def schema_of(settings: type) -> dict[str, Any]:
    """JSON schema of an object with these settings, none of which must be there."""
    properties = {}
    hints = get_type_hints(settings)
    for each in fields(settings):
        assert each.default is not MISSING
        kinds = [
            "array" if hint == list[int] else KINDS[hint]
            for hint in get_args(hints[each.name]) or (hints[each.name],)
        ]
        kind = {} if "enum" in each.metadata else {"type": kinds if kinds[1:] else kinds[0]}
        properties[each.name] = {**kind, **each.metadata, "default": each.default}
    return {
        "type": "object",
        "additionalProperties": False,
        "default": {},
        "properties": properties,
        "allOf": TOGETHER.get(settings, []),
    }
