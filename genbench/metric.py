"""A metric: a pure function of one kind of evidence that returns an Estimate."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, Literal, get_type_hints

from genbench.evidence import Evidence, needs
from genbench.record import Estimate

Better = Literal["lower", "higher", "neither"]


class Metric:
    """Callable on its evidence, or on the arrays that make it up: `frechet(real, fake)`.

    `better` says which way is good and stands nowhere else; `version` changes whenever the values do; the
    keyword defaults are the options, part of a record's key.
    """

    def __init__(self, function: Callable[..., Estimate], better: Better, version: str, unit: str) -> None:
        signature = inspect.signature(function)
        first, *options = signature.parameters.values()
        kind = get_type_hints(function).get(first.name)
        if not (isinstance(kind, type) and issubclass(kind, Evidence)):
            raise TypeError(f"{function.__name__}: annotate the first argument with a kind of evidence")
        self.function, self.better, self.version, self.unit = function, better, version, unit
        self.name = function.__name__
        self.evidence: type[Evidence] = kind
        self.options: dict[str, Any] = {option.name: option.default for option in options}
        self.capability = needs(kind)[1]
        self.__doc__, self.__name__, self.__wrapped__ = function.__doc__, function.__name__, function

    def __call__(self, *arguments: Any, **options: Any) -> Estimate:
        if len(arguments) == 1 and isinstance(arguments[0], self.evidence):
            return self.function(arguments[0], **options)
        e = self.evidence(*arguments)
        object.__setattr__(e, "once", True)
        return self.function(e, **options)

    def with_options(self, options: Mapping[str, Any]) -> dict[str, Any]:
        return {**self.options, **options}


def metric(better: Better, *, version: str = "1", unit: str = "") -> Callable[[Callable[..., Estimate]], Metric]:
    """Make a metric of a function whose first argument is annotated with its kind of evidence."""
    return lambda function: Metric(function, better, version, unit)
