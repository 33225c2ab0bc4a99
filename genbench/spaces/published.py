"""The spaces that papers report, seen through torch-fidelity's own extractors: Inception-v3, DINOv2 and CLIP.

An image is handed over as bytes, grey ones on three equal channels. A number t of the task's range [0, 1) becomes
floor(256 t): images kept as k/256, as k/255, and those with noise within a cell, all give back the byte k.
"""

from __future__ import annotations

import io
import math
import warnings
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from genbench.errors import BadInput, NotApplicable
from genbench.spaces import cache
from genbench.spaces.weights import Weights, tensors
from genbench.task import Kind, Real

CHUNK = 16  # images at a time
STRAY = 0.02  # how far outside of [0, 1] values may lie on average before their scale must be another


class Published:
    """Features (n, d) and, of Inception, logits (n, 1008) of images (n, 1 or 3, h, w): bytes, or floats in [low, high].

    Where nobody states the range it is [0, 1], and floats on another scale are refused. BadInput when the weights are
    not there or are not trusted, or rows are no such images.
    """

    name: str
    resized: str
    weights: ClassVar[Weights]
    layers: ClassVar[dict[str, str]]  # what we call an output: what torch-fidelity calls it
    dtype: ClassVar[torch.dtype] = torch.float32
    worth = 1
    net: Any

    def __init__(self, low: float | None = None, high: float | None = None) -> None:
        self.low, self.high = low, high
        now = "the space 'pixels' works (and 'digits' and 'fashion-mnist' for their tasks)"
        path, digest = self.weights.find(f"the space {self.name!r}", now)
        self.digest = digest[:16]
        with torch.random.fork_rng(devices=[]), torch.device("cpu"):  # extractors draw weights before they load any
            try:
                self.net = self.extractor(path).eval().requires_grad_(False)
            except BadInput:
                raise
            except Exception as error:
                reason = str(error).splitlines()[0][:200]
                raise BadInput(f"{path}: not the weights of {self.name!r} ({reason})") from None

    @classmethod
    def of(cls, kind: Kind) -> Self:
        """The space as it sees the rows of a task, whose range it then knows."""
        return cls(kind.low, kind.high) if isinstance(kind, Real) else cls(0.0, 1.0)

    @property
    def identity(self) -> str:
        return f"{self.name}:{self.digest} {self.resized} [{self.low}, {self.high}]"

    def extractor(self, path: Path) -> Any:
        """torch-fidelity's extractor of `layers`, in this order, with these weights."""
        raise NotImplementedError

    def features(self, x: Tensor) -> Tensor:
        return cache.seen(self, x)["features"]

    def logits(self, x: Tensor) -> Tensor:
        if "logits" not in self.layers:
            raise NotApplicable(f"the space {self.name!r} holds no classifier")
        return cache.seen(self, x)["logits"]

    def look(self, x: Tensor) -> dict[str, Tensor]:
        self.net.to(x.device)
        with torch.no_grad(), torch.autocast(x.device.type, self.dtype, enabled=self.dtype != torch.float32):
            parts = [self.net(rows) for rows in torch.split(self.as_bytes(x), CHUNK)]
        return {name: torch.cat(values) for name, values in zip(self.layers, zip(*parts, strict=True), strict=True)}

    def as_bytes(self, x: Tensor) -> Tensor:
        """(n, 1 or 3, h, w) as (n, 3, h, w) of bytes."""
        if x.ndim != 4 or x.shape[1] not in (1, 3):
            shape = tuple(x.shape[1:])
            raise BadInput(f"the space {self.name!r} sees images (1 or 3, h, w), not rows {shape}; use 'pixels'")
        if x.dtype != torch.uint8:
            x = self.ink(x if x.dtype == torch.float64 else x.float())
            x = (256 * x).floor().clamp(0, 255).to(torch.uint8)
        return x.expand(-1, 3, -1, -1)

    def ink(self, x: Tensor) -> Tensor:
        """The same on the scale where [0, 1] is the range."""
        if self.low is not None and self.high is not None:
            return (x - self.low) / (self.high - self.low)
        if float((x - x.clamp(0, 1)).abs().mean()) > STRAY:
            found = f"[{float(x.min()):.4g}, {float(x.max()):.4g}]"
            raise BadInput(f"the space {self.name!r} sees bytes, or floats in [0, 1], not in {found}; bring them there")
        return x


class Inception(Published):
    """Inception-v3 of 2015 (Szegedy et al.) as FID is defined by: pool features (n, 2048), logits without the bias.

    Channels last in memory make it quicker by a third. Tried beside it: folding each batch normalisation into its
    convolution, quicker still by a tenth, but the rounded weights moved KID by 7e-7 of itself; without, by 6e-8.
    """

    name = "inception"
    resized = "299x299 bilinear as TensorFlow 1"
    layers: ClassVar = {"features": "2048", "logits": "logits_unbiased"}
    weights = Weights(
        "weights-inception-2015-12-05-6726825d.pth",
        "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth",
        "6726825d",
    )

    def extractor(self, path: Path) -> Any:
        from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

        plain = io.BytesIO()  # torch-fidelity unpickles what it is given, so it is given what we have pickled
        torch.save(tensors(path), plain)
        plain.seek(0)
        net = FeatureExtractorInceptionV3(
            "inception-v3-compat", list(self.layers.values()), feature_extractor_weights_path=plain
        )
        return net.to(memory_format=torch.channels_last)


class InceptionBfloat16(Inception):
    """The same with convolutions in bfloat16: other numbers, so another space, by its module:name alone.

    On random weights features moved by 0.5 % and Frechet by 1.0 % (0.6 % on others); where the processor has no such
    instructions it is eight times slower than float32.
    """

    name = "inception-bfloat16"
    dtype = torch.bfloat16


class CLIP(Published):
    """The image side of CLIP ViT-B/32 (Radford et al., 2021), features (n, 512)."""

    name = "clip"
    resized = "224x224 bilinear as TensorFlow 1"
    layers: ClassVar = {"features": "clip"}
    weights = Weights(
        "clip-vit-b-32-40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af.pt",
        "https://openaipublic.azureedge.net/clip/models/"
        "40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af/ViT-B-32.pt",
        "40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af",
    )

    def extractor(self, path: Path) -> Any:
        from torch_fidelity.feature_extractor_clip import FeatureExtractorCLIP

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # torch.jit.load warns of its age
            return FeatureExtractorCLIP("clip-vit-b-32", ["clip"], feature_extractor_weights_path=str(path))


class DINOv2(Published):
    """DINOv2 ViT-L/14 (Oquab et al., 2024), which Stein et al. (2023) found closest to people: features (n, 1024).

    torch-fidelity fetches this network's code too; here torchvision's same transformer takes its weights instead.
    """

    name = "dinov2"
    resized = "224x224 bilinear as TensorFlow 1"
    layers: ClassVar = {"features": "dinov2"}
    weights = Weights(
        "dinov2_vitl14_pretrain.pth", "https://dl.fbaipublicfiles.com/dinov2/dinov2_vitl14/dinov2_vitl14_pretrain.pth"
    )

    def extractor(self, path: Path) -> Any:
        from torch_fidelity.feature_extractor_base import FeatureExtractorBase
        from torch_fidelity.feature_extractor_dinov2 import FeatureExtractorDinoV2

        net: Any = FeatureExtractorDinoV2.__new__(FeatureExtractorDinoV2)
        FeatureExtractorBase.__init__(net, "dinov2-vit-l-14", ["dinov2"])  # not its own, which runs code of torch.hub
        net.feature_extractor_internal_dtype = torch.float32
        net.model = transformer(tensors(path), net.INPUT_IMAGE_SIZE)
        return net


def transformer(held: dict[str, Tensor], side: int) -> nn.Module:
    """DINOv2's weights in torchvision's transformer.

    The scales of its residual branches are folded into the last linear map of each; its position embeddings are brought
    to this image's grid as its authors do: bicubic, by a factor that is 0.1 of a patch too large.
    """
    from torchvision.models import VisionTransformer

    width, patch = held["patch_embed.proj.weight"].shape[::3]
    depth = sum(name.endswith(".norm1.weight") for name in held)
    grid = held["pos_embed"][:, 1:]
    cells = math.isqrt(grid.shape[1])
    image = grid.reshape(1, cells, cells, width).permute(0, 3, 1, 2)
    scale = (side // patch + 0.1) / cells
    moved = nn.functional.interpolate(image, mode="bicubic", scale_factor=(scale, scale))
    state = {
        "class_token": held["cls_token"],
        "encoder.pos_embedding": torch.cat([held["pos_embed"][:, :1], moved.flatten(2).mT], 1),
    }
    names = {
        "patch_embed.proj.": "conv_proj.", "norm.": "encoder.ln.", "blocks.": "encoder.layers.encoder_layer_",
        ".norm1.": ".ln_1.", ".norm2.": ".ln_2.", ".attn.qkv.": ".self_attention.in_proj_",
        ".attn.proj.": ".self_attention.out_proj.", ".mlp.fc1.": ".mlp.0.", ".mlp.fc2.": ".mlp.3.",
    }  # fmt: skip
    for name, value in held.items():
        if name in ("cls_token", "pos_embed", "mask_token") or ".ls" in name:
            continue
        branch = name.partition(".attn.proj.")[0] + ".ls1.gamma" if ".attn.proj." in name else ""
        branch = name.partition(".mlp.fc2.")[0] + ".ls2.gamma" if ".mlp.fc2." in name else branch
        if branch:
            value = held[branch].view(-1, *[1] * (value.ndim - 1)) * value
        for theirs, torchvisions in names.items():
            if theirs in name and (theirs.startswith(".") or name.startswith(theirs)):
                name = name.replace(theirs, torchvisions, 1)
        state[name] = value
    net: nn.Module = VisionTransformer(side, patch, depth, width // 64, width, 4 * width)
    net.heads = nn.Identity()
    net.load_state_dict(state)
    return net
