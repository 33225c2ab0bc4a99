"""Where tensors live. Models name no device: the harness sets the default one, and all is made there."""

from __future__ import annotations

from genbench.errors import BadInput


def resolved(name: str) -> str:
    """The device by name, `auto` being the best at hand. BadInput where this machine has no such device."""
    if name == "cpu":
        return name  # without an import of torch
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise BadInput(f"--device {name}: {str(error).splitlines()[0]}") from None
    return name
