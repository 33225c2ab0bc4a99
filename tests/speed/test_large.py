"""A million images are read from disk as they are drawn: the peak of memory, of which the rows are no part."""

import os
import zipfile

import numpy as np
import pytest
from memory import peak
from PIL import Image

N, SIDE = 1_000_000, 28  # 784 MB of bytes, 3.1 GB as floats
DRAWN = 200_000
WORK = f"""
from genbench.budget import Budget, Stream
from genbench.tasks import files
task = files.{{task}}
assert len(task.train) == {N} - 30_000
for x, _ in Stream(task, Budget({DRAWN})).batches(128): assert x.shape == (128, 1, {SIDE}, {SIDE})
"""
IMPORTS = "import genbench.budget, genbench.tasks.files, PIL.Image"


@pytest.fixture(scope="module", params=["stored", "compressed"])
def npz(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("large") / "rows.npz"
    noise = np.random.default_rng(0)
    kind = zipfile.ZIP_STORED if request.param == "stored" else zipfile.ZIP_DEFLATED
    with (
        zipfile.ZipFile(path, "w", kind, compresslevel=1) as packed,
        packed.open("x.npy", "w", force_zip64=True) as file,
    ):
        np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": (N, SIDE, SIDE)})
        for _ in range(N // 10_000):
            file.write(noise.integers(16, size=(10_000, SIDE, SIDE), dtype=np.uint8).tobytes())
    yield path
    path.unlink()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Links to a thousand images, a thousand times over: as much to read, and quickly made."""
    root, noise = tmp_path_factory.mktemp("large"), np.random.default_rng(0)
    for i in range(1000):
        Image.fromarray(noise.integers(16, size=(SIDE, SIDE), dtype=np.uint8)).save(root / f"{i}.png")
    for copy in range(1, N // 1000):
        (root / str(copy)).mkdir()
        for i in range(1000):
            os.link(root / f"{i}.png", root / str(copy) / f"{i}.png")
    return root


def told(benchmark, what, used, most):
    benchmark.pedantic(lambda: None, rounds=1)
    benchmark.extra_info["megabytes"] = used
    print(f"\n{what}: {used:.0f} MB beyond the imports (at most {most} asked)")
    assert used <= most


def test_a_million_images_of_an_npz(npz, benchmark):
    told(benchmark, "npz", peak(IMPORTS, WORK.format(task=f"npz({str(npz)!r})")), 400)


def test_a_million_images_of_a_folder(folder, benchmark):
    told(benchmark, "folder", peak(IMPORTS, WORK.format(task=f"folder({str(folder)!r})")), 1000)


def test_fifty_thousand_samples_are_written_in_shards(tmp_path, benchmark):
    before = "from pathlib import Path; from genbench.evidence import Samples; x = torch.rand(50_000, 3, 32, 32)"
    used = peak(f"{before}\ns = Samples(x[:10_000], x)", f"s.save(Path({str(tmp_path)!r}))")
    assert len(list(tmp_path.iterdir())) > 9
    told(benchmark, "614 MB of samples written", used, 400)
