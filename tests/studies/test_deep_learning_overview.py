"""Oracles: statistics of tables drawn by hand, and verdicts that turn with them."""

import math

import numpy as np
import pytest
import xarray as xr

from ontogeny.judging import judge
from ontogeny.studies import deep_learning_overview as overview

CLAIMS = {claim.id: claim for claim in overview.study.claims}
DESK = overview.study.experiments("desk")


def table(experiment, dims=(), coords=None, **variables):
    """A dataset with the factors of the desk experiment; a variable is a function of a row and a small wobble."""
    rows = DESK[experiment].factors.rows()
    wobble = [1 + 0.01 * (row["seed"] - 1_002.5) for row in rows]
    data = {
        name: (("member", *dims), np.array([f(r, e) for r, e in zip(rows, wobble, strict=True)], float))
        for name, f in variables.items()
    }
    return xr.Dataset(data, {name: ("member", [row[name] for row in rows]) for name in rows[0]} | (coords or {}))


STEP = dict(dims=("step",), coords={"step": [600]})


def shift(cnn=0.98, mlp=0.25, where_cnn=0.6, where_mlp=0.97):
    found = {("which", "convolution"): cnn, ("which", "fully connected"): mlp}
    found |= {("where", "convolution"): where_cnn, ("where", "fully connected"): where_mlp}
    return {"shift": table("shift", **STEP, held_out_accuracy=lambda r, e: [e * found[r["asked"], r["network"]]])}


def recall(lstm=0.9, plain=0.2, short=1.0):
    moments = dict(dims=("step",), coords={"step": [0, 1_490, 1_500]})
    found = {("LSTM", 40): lstm, ("plain recurrent", 40): plain, ("plain recurrent", 3): short}

    def accuracy(r, e):
        mean = found.get((r["network"], r["length"]), 1.0)
        return [0.0 if r["network"] == "LSTM" else 1.0, e * (mean - 0.1), e * (mean + 0.1)]  # the first does not count

    return {name: table(name, **moments, held_out_accuracy=accuracy) for name in ("recall", "short_recall")}


def fading(lstm=0.99, half=0.6, plain=0.6):
    left = {"LSTM": lstm, "LSTM, gates half open": half, "plain recurrent": plain}
    lags = dict(dims=("step", "lag"), coords={"step": [0], "lag": range(20)})
    return {"fading": table("fading", **lags, gradient=lambda r, e: [0.1 * (left[r["network"]] * e) ** np.arange(20)])}


def discriminator(gap=0.01, equal=0.005):
    return {
        "discriminator": table(
            "discriminator", **STEP, discriminator_gap=lambda r, e: [e * (gap if r["shift"] else equal)]
        )
    }


def generator(mean=3.01, deviation=-0.95):
    return {"generator": table("generator", shift=lambda r, e: mean, scale=lambda r, e: deviation)}


def dropout(far=0.005, least_squares=0.5):
    return {
        "dropout": table(
            "dropout",
            dropout_distance=lambda r, e: far * e,
            least_squares_distance=lambda r, e: least_squares * e,
        )
    }


def rates(batch=10.0, frozen=1.0, none=1.0):
    """Losses of 1 up to a norm's largest stable rate, NaN beyond it."""
    edge = {"batch": batch, "frozen": frozen, "none": none}

    def losses(r, e):
        return [1.0 if r["lr"] < 1.01 * edge[r["norm"]] else np.nan] * 30

    return {"rates": table("rates", dims=("update",), coords={"update": range(30)}, train_loss=losses)}


def memory(by_heart=1.0, new=0.1, true=0.97):
    dims = dict(dims=("step",), coords={"step": [0, 500, 1_000]})

    def held_out(r, e):
        return [0.1, 0.1, e * (true if r["labels"] == "true" else new)]

    return {
        "memory": table(
            "memory", **dims, training_accuracy=lambda r, e: [0.1, by_heart, 0.9], held_out_accuracy=held_out
        )
    }


def descent(peak=100.0, ridge=1.0, at=100):
    features = overview.FEATURES

    def errors(height):
        return lambda r, e: [e * (height if n == at else 1.0) for n in features]

    coords = {"features": list(features)}
    given = dict(least_norm=errors(peak), best_ridge=errors(ridge))
    return {"double_descent": table("double_descent", dims=("features",), coords=coords, **given)}


def margin(logistic=2.0, square=1.0):
    def angles(r, e):
        return [0.5, 0.4, 0.5 / ((logistic if r["loss"] == "logistic" else square) * e)]

    return {"margin": table("margin", dims=("update",), coords={"update": [100, 1_000, 20_000]}, angle=angles)}


def constructed(pieces=32, error=1e-6, shallow=9, short=1.0):
    def of(value):
        return lambda r, e: value

    given = dict(pieces=of(pieces), error=of(error), shallow_pieces=of(shallow), short_error=of(short))
    return {"constructed": table("constructed", **given)}


def depth(shallow=0.1, deep=0.005, easy=0.001):
    def error(r, e):
        if r["times"] == 1:
            return [easy if r["network"] == "shallow" else 0.0]
        return [e * (shallow if r["network"] == "shallow" else deep)]

    return {"depth": table("depth", **STEP, tent_error=error)}


def verdict(id, results):
    return judge(CLAIMS[id], results, "desk").verdict


ALL = (shift, recall, fading, discriminator, generator, dropout, rates, memory, descent, margin, constructed, depth)


@pytest.mark.parametrize("id", CLAIMS)
def test_what_was_found_is_reproduced(id):
    results = {name: ds for make in ALL for name, ds in make().items()}
    assert verdict(id, results) == "reproduced"


@pytest.mark.parametrize(
    ("id", "results", "expected"),
    [
        ("convolution-shifts", shift(cnn=0.8), "not reproduced"),
        ("convolution-shifts", shift(where_cnn=0.99), "invalid"),
        ("fully-connected-does-not", shift(mlp=0.8), "not reproduced"),
        ("gates-remember", recall(plain=0.7), "not reproduced"),
        ("gates-remember", recall(short=0.8), "invalid"),
        ("gradients-fade", fading(plain=0.9), "not reproduced"),
        ("gradients-fade", fading(half=0.9), "invalid"),
        ("best-discriminator", discriminator(gap=0.1), "not reproduced"),
        ("best-discriminator", discriminator(equal=0.04), "invalid"),
        ("generator-finds-the-data", generator(deviation=0.5), "not reproduced"),
        ("generator-finds-the-data", generator(mean=2.7), "not reproduced"),
        ("dropout-is-ridge-0.5", dropout(far=0.05), "not reproduced"),
        ("dropout-is-ridge-0.8", dropout(least_squares=0.1), "invalid"),
        ("batch-norm-rates", rates(batch=math.sqrt(10.0)), "not reproduced"),
        ("batch-norm-rates", rates(frozen=10.0), "invalid"),
        ("permuted-labels-are-memorised", memory(by_heart=0.98), "not reproduced"),
        ("permuted-labels-are-memorised", memory(new=0.3), "invalid"),
        ("true-labels-generalise", memory(true=0.8), "not reproduced"),
        ("true-labels-generalise", memory(new=0.3), "invalid"),
        ("double-descent", descent(peak=2.0), "not reproduced"),
        ("double-descent", descent(ridge=2.0), "invalid"),
        ("peak-at-interpolation", descent(at=120), "not reproduced"),
        ("peak-at-interpolation", descent(ridge=2.0), "invalid"),
        ("margin", margin(logistic=1.2), "not reproduced"),
        ("margin", margin(square=1.5), "invalid"),
        ("ten-units-32-pieces", constructed(pieces=31), "not reproduced"),
        ("ten-units-32-pieces", constructed(shallow=12), "invalid"),
        ("exact-tent", constructed(error=1e-4), "not reproduced"),
        ("depth-learns", depth(deep=0.08), "not reproduced"),
        ("depth-learns", depth(easy=0.05), "invalid"),
    ],
)
def test_verdicts_turn(id, results, expected):
    assert verdict(id, results) == expected
