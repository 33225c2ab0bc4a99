"""What every run needs and is slow to import: the forkserver does it once, for whatever the catalogues hold."""

from contextlib import suppress

import torch._dynamo  # two seconds that the first optimizer of a process would pay  # noqa: F401

import genbench.run  # noqa: F401
from genbench import catalogue

for kind in catalogue.KINDS:
    for ref in catalogue.names(kind).values():
        with suppress(Exception):  # a broken plug-in is the trouble of the run that asks for it
            catalogue.resolve(ref)
