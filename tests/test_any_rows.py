"""Whatever it is thrown, a metric answers with a sound estimate or refuses in one line; and what holds of all rows."""

import dataclasses
import math
import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from test_every_metric import NAMES, REFUSALS, ask, metric, refuses, sound

from genbench import evidence
from genbench.errors import BadInput
from genbench.metrics import coverage, density, frechet, kid, precision, recall, sliced_wasserstein, wasserstein

DTYPES = ("float16", "float32", "float64", "uint8", "int64", "bool")
OF_ROWS = (
    evidence.Features, evidence.Samples, evidence.Copies, evidence.Reconstructions, evidence.Logits,
    evidence.LogProbs, evidence.Bounds, evidence.LogWeights, evidence.AnnealedWeights,
)  # fmt: skip
OF_DRAWS = (evidence.Symbols, evidence.Draws)
repeatable = settings(
    max_examples=15, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck), database=None
)


def kinds(*wanted):
    return pytest.mark.parametrize("name", [name for name in NAMES if metric(name).evidence in wanted])


@st.composite
def rows(draw, n, d, dtypes=DTYPES, wild=False):
    """Rows (n, d) of any dtype: apart, alike or repeated; `wild` ones have NaN, infinities and the largest floats."""
    dtype = np.dtype(draw(st.sampled_from(dtypes)))
    if dtype.kind == "f":
        width = 8 * dtype.itemsize
        reach = {} if wild else {"min_value": -100, "max_value": 100}
        each = st.floats(width=width, allow_nan=wild, allow_infinity=wild, **reach)
    else:
        each = npst.from_dtype(dtype) if wild or dtype.kind == "b" else st.integers(0, 100)
    some = draw(npst.arrays(dtype, (draw(st.integers(1, n)), d), elements=each))
    return some[np.resize(np.arange(len(some)), n)]


def made(draw, kind, **how):
    """Fields of a kind, of 1 to 12 rows each and 1 to 4 numbers."""
    d = draw(st.integers(1, 4))
    several = {f.name for f in dataclasses.fields(kind)} & {"real", "fake", "train", "held", "again"}
    n = draw(st.integers(1, 12)) if kind is evidence.Reconstructions else None
    found = {
        f.name: draw(rows(n or draw(st.integers(1, 12)), d, **how))
        for f in dataclasses.fields(kind) if f.name in several
    }  # fmt: skip
    if kind is evidence.LogWeights:
        return {"values": draw(rows(draw(st.integers(1, 5)), draw(st.integers(1, 12)), **how))}
    if kind is evidence.AnnealedWeights:
        return {f: draw(rows(draw(st.integers(1, 12)), 1, **how))[:, 0] for f in ("forward", "reverse", "values")}
    if kind in (evidence.LogProbs, evidence.Bounds):
        last = {"k": 10} if kind is evidence.Bounds else {"size": d, "levels": draw(st.sampled_from([0, 16]))}
        return {"values": draw(rows(draw(st.integers(1, 12)), 1, **how))[:, 0], **last}
    return found


@kinds(*OF_ROWS)
@repeatable
@given(data=st.data())
def test_any_shape_and_dtype_has_a_sound_answer_or_a_reason(name, data):
    fields = made(data.draw, metric(name).evidence)
    try:
        sound(ask(name, fields))
    except REFUSALS:
        refuses(name, fields)


@kinds(*OF_ROWS)
@repeatable
@given(data=st.data())
def test_wild_values_are_no_silent_nan(name, data):
    fields = made(data.draw, metric(name).evidence, dtypes=("float16", "float32", "float64"), wild=True)
    try:
        found = ask(name, fields)
    except REFUSALS:
        refuses(name, fields)
    else:
        assert not math.isnan(found.value)
        assert not any(np.isnan(values).any() for values in fields.values())


@kinds(*OF_DRAWS)
@repeatable
@given(data=st.data())
def test_any_draws_have_a_sound_answer_or_a_reason(name, data):
    n = data.draw(st.integers(1, 6))
    fields = {"draws": data.draw(npst.arrays(np.int64, st.integers(1, 40), elements=st.integers(-1, n)))}
    if metric(name).evidence is evidence.Draws:
        fields["n"] = n
    else:
        fields["weights"] = data.draw(npst.arrays(np.float64, n, elements=st.floats(0, 1)))
    try:
        sound(ask(name, fields))
    except REFUSALS:
        refuses(name, fields)


def test_any_layout_of_an_array_serves_and_complex_numbers_do_not(noise):
    x, y = noise.normal(size=(30, 4)), noise.normal(size=(20, 4))
    locked = x.copy()
    locked.flags.writeable = False
    right = frechet(x, y).value
    for layout in (locked, x[::-1][::-1], np.asfortranarray(x), x.tolist()):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert frechet(layout, y).value == right
    with pytest.raises(BadInput, match="complex"):
        frechet(x + 0j, y)


@st.composite
def pairs(draw):
    d, each = draw(st.integers(1, 4)), st.floats(-10, 10)
    return [draw(npst.arrays(np.float64, (draw(st.integers(6, 12)), d), elements=each)) for _ in range(2)]


@pytest.mark.parametrize("distance", [frechet, kid, wasserstein, sliced_wasserstein], ids=lambda metric: metric.name)
@repeatable
@given(pair=pairs())
def test_distances_know_no_side(distance, pair):
    there, back = distance(*pair), distance(*pair[::-1])
    assert back.value == pytest.approx(there.value, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize(("distance", "power"), [(frechet, 2), (wasserstein, 1), (sliced_wasserstein, 1)])
@repeatable
@given(pair=pairs(), by=st.floats(-10, 10), scale=st.floats(0.1, 10))
def test_distances_are_moved_with_nothing_and_stretched_with_the_scale(distance, power, pair, by, scale):
    x, y = pair
    right = scale**power * distance(x, y).value
    assert distance(scale * x + by, scale * y + by).value == pytest.approx(right, rel=1e-6, abs=1e-9)


@repeatable
@given(pair=pairs(), by=st.integers(-8, 8), power=st.integers(-3, 3))
def test_balls_are_moved_and_stretched_with_the_rows(pair, by, power):
    """By what floating point does exactly, or ties would be broken."""
    x, y = (np.round(rows * 8) / 8 for rows in pair)
    for share in (precision, recall, density, coverage):
        assert share(2.0**power * (x + by), 2.0**power * (y + by)).value == share(x, y).value


@repeatable
@given(pair=pairs())
def test_w_1_obeys_the_triangle_and_the_means(pair):
    x, y = pair
    middle = (x.mean(0) + y.mean(0))[None] / 2
    assume(np.ptp(x) + np.ptp(y) > 0)
    straight = wasserstein(x, y).value
    around = wasserstein(x, np.repeat(middle, 2, 0)).value + wasserstein(np.repeat(middle, 2, 0), y).value
    assert np.linalg.norm(x.mean(0) - y.mean(0)) - 1e-9 <= straight <= around + 1e-9
