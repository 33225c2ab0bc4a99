"""Rows from anywhere: a folder of images, an array file, a task's split, a finished run, a TorchScript generator."""

from __future__ import annotations

import inspect
import re
import warnings
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import torch
import yaml
from safetensors import SafetensorError
from torch import Generator, Tensor

from genbench import catalogue
from genbench.bench import alias
from genbench.errors import BadInput, unknown
from genbench.evidence import Samples
from genbench.record import PARTIAL, read_run
from genbench.task import Task
from genbench.tasks import arrays, images

SPLITS = ("train", "valid", "test", "spare")
TASK = re.compile(rf"task:([^{{}}]+?)\s*(\{{.*\}})?(?:/({'|'.join(SPLITS)}))?")
INSIDE = re.compile(r"(.+\.(?:npz|safetensors)):(.+)", re.IGNORECASE)  # file.npz:key
SCRIPTS = (".pt", ".pth", ".ts", ".jit", ".torchscript")
BATCH = 500  # rows that a generator is asked for at a time
WAYS = "give a folder of images, an .npz, .npy or .safetensors, task:NAME/test, a run, or a TorchScript file"


@dataclass(frozen=True)
class Reading:
    """How sources are read: the size that images are brought to, whose code may run, where runs are kept."""

    resize: int | None = None
    trust: bool = False
    latents: str | None = None
    seed: int = 0
    runs: Path = Path("runs")


@dataclass(frozen=True)
class Source:
    """Rows (n, *shape), what kind of thing they came from, and what was done to them on the way."""

    name: str
    x: Tensor
    kind: str
    told: str = ""
    task: Task | None = None
    lossy: bool | None = None  # whether images were kept as JPEG


def is_script(text: str) -> bool:
    return Path(text).suffix.lower() in SCRIPTS and not text.startswith("task:")


def read(text: str, how: Reading) -> Source:
    """Everything but a generator. BadInput, in one line, for what is not there or cannot be used."""
    path = Path(text).expanduser()
    if text.startswith("task:"):
        return from_task(text)
    if path.is_dir():
        run = (path / "run.json").exists() or path.name.endswith(PARTIAL)
        return from_run(path) if run else from_folder(path, how.resize)
    inside = None if path.exists() else INSIDE.fullmatch(str(path))
    file, key = (Path(inside[1]), inside[2]) if inside else (path, None)
    if file.is_file():
        return from_array(file, key, how.resize)
    for place in runs_below(how.runs):
        if text in (place.name, place.name.removesuffix(PARTIAL)):
            return from_run(place)
    raise absent(text, path, how.runs)


def runs_below(root: Path) -> list[Path]:
    """The folders of all runs, the finished before the others."""
    found = [place for place in root.glob("*/*") if place.is_dir() and not place.name.startswith(".")]
    return sorted(found, key=lambda place: (place.name.endswith(PARTIAL), place))


def absent(text: str, path: Path, runs: Path) -> BadInput:
    beside = path.parent.iterdir() if path.parent.is_dir() else ()
    known = [*(str(path.with_name(file.name)) for file in beside), *(place.name for place in runs_below(runs))]
    near = get_close_matches(text, [*known, *(f"task:{name}/test" for name in catalogue.names("tasks"))], 1, 0.7)
    return BadInput(f"{text}: no such file, folder or run; {f'did you mean {near[0]}?' if near else WAYS}")


def from_folder(path: Path, resize: int | None) -> Source:
    x, files, told = images.stacked(path, resize)
    return Source(
        str(path), x[:].float() / 255, "folder", told, lossy=any(file.suffix.lower() in images.LOSSY for file in files)
    )


def as_floats(what: str, x: Tensor, resize: int | None) -> tuple[Tensor, str]:
    """Images of bytes, resized, in [0, 1], with what was done to them in words; floats as they are."""
    if x.dtype != torch.uint8:
        return arrays.rows(what, x, None)
    rows, told = arrays.rows(what, x, resize)
    return rows.float() / 255, told


def from_array(path: Path, key: str | None, resize: int | None) -> Source:
    """The array `key` of a file, else its only one, else the one called x."""
    if path.suffix.lower() not in arrays.WRITERS:
        raise BadInput(f"{path}: not a kind of file that holds rows; {WAYS}")
    kept = arrays.Arrays(path)
    if key is None and len(kept.names) > 1 and "x" not in kept.names:
        choices = ", ".join(kept.names)
        raise BadInput(f"{path} holds {len(kept.names)} arrays: {choices}; say which, as in {path}:{kept.names[0]}")
    name = key or ("x" if "x" in kept.names else next(iter(kept.names), "x"))
    if name not in kept.names:
        raise unknown(f"array of {path}", name, kept.names)
    x = kept[name]
    rows, told = as_floats(f"{path}: {name}", x[:, None] if x.ndim == 1 else x, resize)
    return Source(f"{path}:{name}" if len(kept.names) > 1 else str(path), rows, "array", told)


def from_task(text: str) -> Source:
    """`task:NAME/SPLIT`, or `task:NAME{option: value}/SPLIT` as in benchmarks.yaml; `test` where no split is named."""
    found = TASK.fullmatch(text)
    if not found:
        raise BadInput(f"{text}: write a task as task:NAME/test or task:NAME{{option: value}}/test")
    name, options, split = found.groups()
    before, _, last = name.rpartition("/")
    if before in catalogue.names("tasks"):
        raise unknown("split", last, SPLITS)
    try:
        ref, given = alias("tasks", name, yaml.safe_load(options or "{}"))
        factory = catalogue.resolve(ref)
        inspect.signature(factory).bind(**given)
    except (yaml.YAMLError, TypeError) as error:
        raise BadInput(f"{text}: {error}; write its options as task:{name}{{option: value}}/test") from None
    task: Task = factory(**given)
    split = split or "test"
    rows = task.split(split)
    if split == "train":  # as the held-out rows are; and then no row is left that was held out
        rows = rows.dequantised(task.spec.x, Generator().manual_seed(0))
        task = replace(task, train=task.train[:0])
    return Source(f"task:{name}/{split}", rows.x, "task", task.note, task)


def from_run(folder: Path) -> Source:
    """The samples that a finished run kept."""
    if folder.name.endswith(PARTIAL) or not (folder / "run.json").exists():
        raise BadInput(f"{folder}: this run has not finished; `genbench run` goes on with it")
    done = read_run(folder)
    if done.status != "ok":
        raise BadInput(f"{folder}: this run {done.status} ({done.why}) and left no samples to score")
    try:
        kept = Samples.load(folder / "evidence" / "1.00")
    except (OSError, SafetensorError, TypeError) as error:
        raise BadInput(f"{folder}: its samples cannot be read ({error}); delete the folder and run again") from None
    if kept is None:
        raise BadInput(f"{folder}: this run kept no samples: no metric asked for any, or {done.asked.model} has none")
    return Source(f"run {done.id}", kept.fake, "run")


def from_script(text: str, n: int, how: Reading) -> Source:
    """n rows of a TorchScript module: of module(z), z standard normal (batch, *latents), if latents are known from
    `how` or an attribute of that name; else of module(batch), which draws from torch's generator, seeded."""
    path = Path(text).expanduser()
    if not path.is_file():
        raise absent(text, path, how.runs)
    if not how.trust:
        raise BadInput(f"{path}: TorchScript is code, which would run on this machine; add --trust if you trust it")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch.jit.load warns of its age
        try:
            module: Any = torch.jit.load(str(path), map_location="cpu").eval()  # type: ignore[no-untyped-call]
        except (RuntimeError, ValueError, OSError):
            raise BadInput(f"{path}: not TorchScript; write it with torch.jit.script(module).save(path)") from None
    latents = latent_shape(how.latents if how.latents else getattr(module, "latents", ()))
    noise = Generator().manual_seed(how.seed)
    found: list[Tensor] = []
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(how.seed)
        for start in range(0, n, BATCH):
            count = min(BATCH, n - start)
            asked = f"({count}, {', '.join(map(str, latents))}) latents" if latents else f"n = {count}"
            try:
                made = module(torch.randn(count, *latents, generator=noise) if latents else count)
            except Exception as error:
                reason = str(error).strip().splitlines()[-1]
                raise BadInput(f"{path}: failed on {asked} ({reason}); --latents D calls it with z of (n, D)") from None
            if not isinstance(made, Tensor) or len(made.shape) < 2 or len(made) != count:
                got = f"shape {tuple(made.shape)}" if isinstance(made, Tensor) else type(made).__name__
                raise BadInput(f"{path}: returned {got} for {asked}, not {count} rows")
            found.append(made)
    rows, told = as_floats(f"{path}: what it returns", torch.cat(found), how.resize)
    return Source(str(path), rows, "generator", "; ".join(filter(None, (f"seed {how.seed}", told))))


def latent_shape(given: Any) -> list[int]:
    """`100`, `100x1x1`, or such numbers as an attribute: the shape of one latent, () where there is none."""
    try:
        sizes = [int(size) for size in (given.split("x") if isinstance(given, str) else torch.tensor(given).flatten())]
    except (TypeError, ValueError, RuntimeError):
        sizes = [0]
    if any(size < 1 for size in sizes):
        raise BadInput(f"latents are a size like 100 or 100x1x1, not {given!r}")
    return sizes
