"""What a training run is told: the model, the two phases and the downstream task.

These are the parts of a protocol that belong to training. They are plain, frozen values,
readable without torch, so that a protocol file is checked before anything heavy is imported.
Every field states its unit and its bounds; a value outside them is refused, and so is a field
that the other values leave without effect.
"""

from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from explorer.training import tasks

Fraction = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]


def added(default: Any) -> Any:
    """Make a field that a recipe has gained: left out where it says nothing new.

    The hash of a protocol, under which results are remembered, is thus what it was before.
    """
    return Field(default=default, exclude_if=lambda value: value == default)


class Recipe(BaseModel):
    """Base of all recipes: immutable, and a misspelt key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Model(Recipe):
    """A vision transformer of timm, built from scratch unless it has `weights`.

    The number of input channels is not set here: it follows the downstream task, and grey
    pre-training images are repeated for a colour model (see `explorer.training.models`).
    """

    name: str = Field(default="vit_tiny_patch16_224", pattern=r"^[A-Za-z0-9_.]+$", max_length=100)
    """Name in timm's registry. It fixes width, depth and heads; the two sizes below override
    the sizes that the name speaks of."""

    image_size: int = Field(ge=4, le=1024)
    """Side of the square input, in pixels. Proxy and downstream images are reduced to it."""

    patch_size: int = Field(ge=1, le=64)
    """Side of a patch, in pixels; divides `image_size`. The cost of a step is proportional to
    the number of tokens, `(image_size / patch_size)²`."""

    pooling: Literal["token", "average"] = "token"
    """What the head sees: the class token, or the average over all patch tokens (no class
    token then)."""

    initialisation: Literal["timm", "fan_in"] = "timm"
    """Of the linear layers: timm's own, a truncated normal of 0.02 as in DeiT; or one of standard
    deviation 1/√(inputs), which keeps the size of what passes through (LeCun et al., 1998). At the
    width of a ViT-Tiny the latter is three to four times as large, and trains much faster."""

    normalise: tuple[Fraction, Positive] | Literal["each_set"] = (0.5, 0.5)
    """Scale of the input, the same in both phases: mean and standard deviation that are taken for
    those of the pixels, which go from 0 to 1. `each_set` gives every set of images the mean 0 and
    the deviation 1 of its own training images instead: faint images then reach the model as
    strong as others, but the two phases no longer see one grey alike."""

    weights: Annotated[str, Field(min_length=1, max_length=4096)] | None = added(None)
    """Published weights to begin with, in place of random ones: a file (also a training checkpoint,
    as the papers publish them), `local-dir:DIR`, `hf-hub:OWNER/NAME`, or a name of timm with its
    tag (`vit_tiny_patch16_224.augreg_in21k`). Their head is left out; another size of the input is
    interpolated. Of an arm with `pretrain: false` they are fine-tuned as they are."""

    @model_validator(mode="after")
    def _patches_tile_the_image(self) -> Self:
        if self.image_size % self.patch_size:
            raise ValueError(
                f"patch_size {self.patch_size} does not divide image_size {self.image_size}"
            )
        return self


class Photometric(Recipe):
    """Random changes of grey levels, after RandAugment (Cubuk et al., 2020).

    Each entry is the share of the images that is changed so, drawn per image and independently of
    the others; they are applied in this order. Strengths are drawn evenly over RandAugment's
    whole ranges.
    """

    stretch: Fraction = 0.0
    """Stretch to full contrast: the darkest level of the image to black, the lightest to white
    (RandAugment's AutoContrast)."""

    invert: Fraction = 0.0
    """Exchange black and white."""

    solarise: Fraction = 0.0
    """Invert the levels from a threshold upwards; it is drawn from black to white."""

    posterise: Fraction = 0.0
    """Keep the 1 to 4 highest bits of the 8 of a level."""

    contrast: Fraction = 0.0
    """Move all levels away from the mean of the image or towards it, by a factor of 0.1 to 1.9."""

    brightness: Fraction = 0.0
    """Multiply all levels by 0.1 to 1.9."""


class Augmentation(Recipe):
    """Random changes made to every batch; all are off by default.

    Labels are mixed by at most one of `mixup` and `cutmix` a batch; when both are on, each batch
    draws one of them with equal chance.
    """

    crop: tuple[Positive, Positive] | None = None
    """Random resized crop: low and high end of the area kept, as a fraction of the image
    (Szegedy et al., 2015). The aspect ratio is drawn log-uniformly from 3/4 to 4/3."""

    shift: Fraction = 0.0
    """Largest shift along each axis, as a fraction of the side; zeros (the mean grey) move in."""

    flip: bool = False
    """Mirror half of the images left to right. Wrong for digits, right for most else."""

    erase: Fraction = 0.0
    """Chance that a rectangle of 2 to 33 % of the image is blanked (Zhong et al., 2020)."""

    erase_with: Literal["grey", "noise"] = added("grey")
    """What is put into the rectangle: the mean grey, or normal noise per pixel."""

    mixup: NotNegative = 0.0
    """Pairs of images are blended by a share from Beta(mixup, mixup) (Zhang et al., 2018)."""

    cutmix: NotNegative = 0.0
    """An area from Beta(cutmix, cutmix) is pasted from a second image (Yun et al., 2019)."""

    photometric: Photometric = Photometric()

    @model_validator(mode="after")
    def _noise_is_erased_with(self) -> Self:
        if self.erase_with != "grey" and not self.erase:
            raise ValueError("erase_with has no effect without erase; remove it")
        return self

    @model_validator(mode="after")
    def _crop_is_a_range(self) -> Self:
        if self.crop is not None and not self.crop[0] <= self.crop[1] <= 1:
            raise ValueError(f"crop {list(self.crop)} is not a range low <= high <= 1")
        return self


class Phase(Recipe):
    """What both phases share: one optimisation of one model on one set of images.

    The learning rates rise linearly over the warm-up and fall along half a cosine to `floor`.
    """

    epochs: int = Field(ge=1, le=10_000)
    """Passes over the images."""

    batch_size: int = Field(ge=1, le=65_536)
    """Images a step. The images of an epoch are dealt into batches of equal size, at most
    this, so that no step is made on a small rest."""

    micro_batch: Annotated[int, Field(ge=1, le=65_536)] | None = added(None)
    """Images that go through the network at a time; the gradients of a step's batch are added up.
    Null is the whole batch. For batches that do not fit into the memory of the device."""

    optimiser: Literal["adamw", "muon", "sgd"] = "adamw"
    """AdamW for everything; or Muon for the matrices of the transformer's blocks and AdamW for
    the rest (embeddings, norms, biases, head); or SGD with momentum 0.9, which the papers
    fine-tune with."""

    learning_rate: float = Field(gt=0, le=10, allow_inf_nan=False)
    """Peak learning rate of AdamW or SGD."""

    matrix_learning_rate: Annotated[float, Field(gt=0, le=10, allow_inf_nan=False)] | None = None
    """Peak learning rate of Muon: the size of an update in units of an orthogonal matrix.
    Required with `optimiser: muon`, refused without."""

    weight_decay: float = Field(default=0.05, ge=0, le=10, allow_inf_nan=False)
    """Weight decay of all matrices, none on norms, biases and embeddings. Times the learning
    rate; decoupled from the gradient under AdamW and Muon, part of it under SGD."""

    warmup: Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)] = 0.1
    """Share of the steps over which the learning rates rise from zero."""

    floor: Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)] = added(0.0)
    """Share of the peak learning rates that is left in the end."""

    nesterov: bool = added(False)
    """Nesterov's momentum, for `optimiser: sgd`."""

    drop_path: Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)] = added(0.0)
    """Chance that a residual branch of the last block is left out for an image; from the first
    block on it rises linearly to this (stochastic depth: Huang et al., 2016)."""

    clip: Positive | None = 1.0
    """Largest norm of the gradient over all parameters; null turns clipping off."""

    label_smoothing: Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)] = 0.0
    """Share of the target that is spread evenly over all classes (Szegedy et al., 2016)."""

    augmentation: Augmentation = Augmentation()

    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Arithmetic of the matrix products in forward, backward and Muon. `auto` is bfloat16 on GPUs
    and processors that multiply it (since Ampere; AMX or AVX512-BF16), float32 elsewhere: without
    such instructions bfloat16 is slower."""

    compile: bool = False
    """Compile forward and backward (torch.compile). That takes from half a minute to minutes a
    trial, which a long training on a GPU may win back; on a processor it does not. Where nothing
    can be compiled, a warning is logged and training goes on as it is."""

    deterministic: bool = False
    """Use only algorithms that give the same bits every time, at some cost. Needed on CUDA alone:
    on a processor, with one thread, there are no others. (`explorer.training.arithmetic`)"""

    @model_validator(mode="after")
    def _muon_has_its_rate(self) -> Self:
        if self.optimiser == "muon" and self.matrix_learning_rate is None:
            raise ValueError("optimiser muon needs a matrix_learning_rate (0.02 is common)")
        if self.nesterov and self.optimiser != "sgd":
            raise ValueError(f"nesterov has no effect with optimiser {self.optimiser}; remove it")
        if self.optimiser != "muon" and self.matrix_learning_rate is not None:
            raise ValueError(
                f"matrix_learning_rate has no effect with optimiser {self.optimiser}; remove it"
            )
        return self


class Pretrain(Phase):
    """Pre-training on the proxy images, with their categories as labels."""

    rungs: tuple[Annotated[float, Field(gt=0, le=1)], ...] = (0.25, 0.5, 1.0)
    """Shares of the pre-training after which the model is probed, increasing."""

    copies: Annotated[int, Field(ge=1, le=100)] = added(1)
    """Repeated augmentation (Hoffer et al., 2020): an image comes so often in an epoch, each time
    changed otherwise, and an epoch has as many fewer images."""

    patch_drop: Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)] = 0.0
    """Share of the patches that is left out of every step, drawn per image (PatchDropout: Liu et
    al., 2022). The cost of a step falls nearly by this share; probe and fine-tuning see all
    patches."""

    instances: Literal["fixed", "fresh"] = added("fixed")
    """`fresh` gives every category other instances in every epoch, so that no image is seen twice;
    they are drawn on the fly. Variety is measured on those of the first epoch."""

    @model_validator(mode="after")
    def _rungs_climb(self) -> Self:
        if any(low >= high for low, high in pairwise(self.rungs)):
            raise ValueError(f"rungs {list(self.rungs)} do not increase")
        return self


class FineTune(Phase):
    """Fine-tuning of the whole model, under a new head, on the downstream training images.

    The from-scratch arm runs this phase alone, from random weights.
    """

    repeats: int = Field(default=1, ge=1, le=100)
    """Fine-tunings on each draw of the labelled images, each under another head and in another
    order; the score is the mean over repeats and draws. Worth it where fine-tuning is short beside
    pre-training and scatters more: a repeat then lessens the noise for less than a replicate."""

    image_size: Annotated[int, Field(ge=4, le=1024)] | None = added(None)
    """Side of the input in fine-tuning, in pixels; position embeddings are interpolated. Null is
    the model's."""

    weights: Literal["pretrained", "shuffled"] = "pretrained"
    """What fine-tuning starts from. `shuffled` is a control: the pre-trained weights, in random
    order within every tensor, have the same statistics and hold nothing that was learned."""


class Scatter(Recipe):
    """Every image of a task, training and test, at a random scale, angle and place.

    Centred images can be read off their pixels, and then there is nothing that pre-training could
    give. The draws follow from the task's seed and the image: all trials see the same images.
    """

    scale: tuple[Positive, Positive] = (0.4, 0.9)
    """Low and high end of the side of the scattered image, as a fraction of the input's side."""

    angle: float = Field(default=30.0, ge=0, le=180, allow_inf_nan=False)
    """Largest turn to either side, in degrees."""

    place: Fraction = 1.0
    """How far from the middle: 1 reaches to the edge of the input, 0 stays in its middle. What is
    left around the image has the image's own background, the median of its border."""

    @model_validator(mode="after")
    def _scale_is_a_range(self) -> Self:
        if not self.scale[0] <= self.scale[1] <= 1:
            raise ValueError(f"scale {list(self.scale)} is not a range low <= high <= 1")
        return self


class Task(Recipe):
    """A downstream task: real images with labels, how they are split and how they are shown."""

    name: str = Field(pattern=r"^[A-Za-z0-9_./-]+$", max_length=200)
    """`digits` is scikit-learn's (1,797 images of 8 x 8, no network); `imagefolder` is any
    directory with one folder per class; `cifar10`, `cifar100`, `dtd`, `fgvcaircraft`,
    `flowers102`, `food101`, `oxfordiiitpet`, `stanfordcars`, `stl10` and `svhn` are fetched by
    torchvision; `hfds/OWNER/NAME` and timm's other prefixes name any data set that timm reads.
    Other packages can add names (`explorer.training.tasks`)."""

    path: Path | None = None
    """`imagefolder`: the directory, with the splits `train/` and `val/` (or `test/`), or with the
    classes themselves. torchvision and timm: where the files are or are fetched to; timm can do
    without."""

    splits: tuple[str, str] | None = None
    """Of a timm data set: names of the split to train on and of the split to test on; null is
    train and test."""

    train_size: Annotated[int, Field(ge=2, le=10_000_000)] | None = None
    """Labelled images to fine-tune on, drawn evenly over the classes; null is all. The test images
    stay the same whatever it is."""

    draws: int = Field(default=1, ge=1, le=100)
    """How often the `train_size` labelled images are drawn. Each draw is fine-tuned on, so that
    the choice of the labelled images is part of the noise which a score reports."""

    test_fraction: Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False)] | None = None
    """Share of every class that is kept for testing, where the task has no split of its own
    (`digits`, a folder of classes); null is 0.2."""

    scatter: Scatter | None = None
    """Show every image at a random scale, angle and place; null leaves it whole and centred."""

    invert: Fraction = 0.0
    """Share of the images, training and test, in which black and white change places. At 0.5 a
    task has both polarities, and a ground that agrees with it cannot pass for transfer."""

    seed: int = Field(default=0, ge=0, lt=2**32)
    """Seed of the split, of the draws and of the scattering. It belongs to the task, not to the
    trial: all arms and replicates see the same images."""

    @property
    def title(self) -> str:
        """What it is called in a report: a folder's own name, else the name of the task."""
        return self.path.name if self.name == "imagefolder" and self.path else self.name

    @field_validator("name")
    @classmethod
    def _name_is_known(cls, name: str) -> str:
        tasks.kind(name)
        return name

    @model_validator(mode="after")
    def _fields_have_an_effect(self) -> Self:
        kind = tasks.kind(self.name)
        if kind.path == "refused" and self.path is not None:
            raise ValueError(f"path has no effect for {self.name}, which needs no files")
        if kind.path == "required" and self.path is None:
            raise ValueError(f"{self.name} needs a path")
        if kind.split == "own" and self.test_fraction is not None:
            raise ValueError(f"test_fraction has no effect for {self.name}, which has a test set")
        if self.splits is not None and not self.name.startswith(tasks.TIMM_PREFIXES):
            raise ValueError(f"splits has no effect for {self.name}, whose splits are known")
        if self.draws > 1 and self.train_size is None:
            raise ValueError("draws has no effect without train_size: all images are labelled")
        return self
