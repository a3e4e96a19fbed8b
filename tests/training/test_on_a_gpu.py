"""What only a GPU can tell of updates there: graphs, fused attention, precisions, and that nothing waits for it."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch

from ontogeny import Training, every, factor, seeds, vary
from ontogeny.models.attention import Attention
from ontogeny.models.mlp import MLP
from ontogeny.models.sites import record
from ontogeny.models.transformer import Transformer
from ontogeny.streams import Streams
from ontogeny.tasks.linear_teacher import LinearTeacher
from ontogeny.tasks.markov_mixture import MarkovMixture
from ontogeny.training.objectives import SquaredError
from ontogeny.training.optimizers import SGD, AdamW
from ontogeny.training.precision import rounding, tensor_cores

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
GPU = torch.device("cuda")


def transformer(**changes) -> Training:
    return Training(
        factors=vary(lr=(1e-3, 1e-2, 3e-3)) * seeds(2),
        task=MarkovMixture(states=5, chains=4, length=32),
        model=Transformer(layers=2, width=32, heads=2),
        optimizer=AdamW(lr=factor("lr"), clip=1.0),
        batch=16,
        steps=40,
        at=every(20),
    ).replace(**changes)


def teacher(**changes) -> Training:
    return transformer(
        task=LinearTeacher(strengths=(2.0, 1.0), inputs=5, outputs=3),
        model=MLP(width=7),
        objective=SquaredError(),
        optimizer=SGD(lr=factor("lr"), momentum=0.5),
    ).replace(**changes)


def opened(training: Training, *, captured: bool = True, compiled: bool = False):
    cohort = training.open(training.factors.rows(), GPU, compiled)
    cohort.to_capture = captured
    return cohort


@contextmanager
def nobody_waits() -> Iterator[None]:
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize(
    "training",
    [transformer(), transformer(dtype="bf16"), transformer(dtype="tf32"), transformer(examples=48), teacher()],
    ids=["transformer", "bf16", "tf32", "epochs", "teacher"],
)
def test_captured_updates_do_what_updates_launched_one_by_one_do(training, compiled):
    ours, theirs = opened(training, compiled=compiled), opened(training, captured=False, compiled=compiled)
    for _ in range(20):
        ours.update()
        theirs.update()
    assert ours.said == ""
    torch.testing.assert_close(torch.stack(ours.losses), torch.stack(theirs.losses), rtol=1e-2, atol=1e-3)
    assert torch.equal(ours.alive, theirs.alive)


@pytest.mark.parametrize("training", [transformer(), teacher()], ids=["transformer", "teacher"])
def test_updates_wait_for_nothing(training):
    cohort = opened(training)
    cohort.update()
    with nobody_waits():  # which raises
        for _ in range(40):
            cohort.update()
    assert cohort.done == 41
    assert cohort.said == "", "else it was launched operation by operation"


def test_a_diverging_member_is_frozen_and_harms_nobody():
    training = teacher(factors=vary(lr=(0.01, 1e30, 0.03)) * seeds(1))
    cohort = opened(training)
    for _ in range(40):
        cohort.update()
    assert cohort.alive.tolist() == [True, False, True]
    assert cohort.population.flat.isfinite().all()


def test_factors_are_rounded_backward_too(seed):
    draw = Streams((seed,), device=GPU)
    x, w = (draw.normal(name, (1, 32, 32))[0].requires_grad_() for name in "xw")
    slope = draw.normal("slope", (1, 32, 32))[0]
    with tensor_cores("bf16", GPU), rounding("bf16"):
        product = torch.bmm(x, w)
        found = torch.autograd.grad(product, (x, w), slope)
    exact = [t.detach().bfloat16().double() for t in (x, w, slope)]
    wanted = exact[0] @ exact[1], exact[2] @ exact[1].mT, exact[0].mT @ exact[2]
    for mine, other in zip((product, *found), wanted, strict=True):
        torch.testing.assert_close(mine.double(), other, rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    ("precision", "least", "most"), [("float32", 0, 1e-5), ("tf32", 1e-5, 2e-2), ("bf16", 1e-4, 0.2)]
)
def test_products_are_as_precise_as_asked_for(precision, least, most):
    x = Streams((3,), device=GPU).normal("x", (1, 128, 128))[0]
    with tensor_cores(precision, GPU), rounding(precision):
        product = torch.bmm(x, x)
    error = (product.double() - torch.bmm(x.double(), x.double())).abs().max() / 128**0.5
    assert least <= error <= most


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("since", [0, 3])
def test_fused_attention_gives_what_is_shown(causal, since):
    streams = Streams((1, 2), device=GPU)
    attention, x = Attention(streams, 32, 2, 9, causal=causal), streams.normal("x", (4, 9, 32))
    shown, seen = record(attention, x, "hook_pattern")
    assert list(seen) == ["hook_pattern"]
    torch.testing.assert_close(attention(x, since), shown[:, :, since:], rtol=1e-3, atol=1e-4)
