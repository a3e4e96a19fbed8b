"""bf16: rounded factors and nothing else, forward and backward, in any company, eager and compiled."""

import pytest
import torch
from torch import nn
from torch._subclasses import FakeTensorMode

from ontogeny import Training, every, factor, seeds, vary
from ontogeny.errors import UserError
from ontogeny.models.cnn import CNN
from ontogeny.models.from_module import FromModule
from ontogeny.models.mlp import MLP
from ontogeny.models.transformer import Transformer
from ontogeny.streams import Streams
from ontogeny.tasks.contract import Batch, Shape, Task
from ontogeny.tasks.linear_teacher import LinearTeacher
from ontogeny.training.objectives import SquaredError
from ontogeny.training.optimizers import AdamW
from ontogeny.training.precision import Rounding, rounding

CPU = torch.device("cpu")


class Copying(Task):
    """The token before the last, at every position: a transformer learns it in a hundred updates."""

    @property
    def shape(self) -> Shape:
        return Shape(vocabulary=5, outputs=5, length=6)

    def sample(self, world, streams: Streams, size: int) -> Batch:
        tokens = streams.integers("tokens", (size, 7), 5)
        return Batch(inputs=tokens[..., 1:], targets=tokens[..., :-1])


def copying(**changes) -> Training:
    return Training(
        factors=vary(lr=(1e-2, 3e-3, 2e-2)) * seeds(1),
        task=Copying(),
        model=Transformer(layers=1, width=16, heads=2),
        optimizer=AdamW(lr=factor("lr"), clip=1.0),
        batch=32,
        steps=150,
        at=every(50),
    ).replace(**changes)


def trained(training: Training, members: list[int], updates: int, *, compiled: bool = False):
    rows = training.factors.rows()
    cohort = training.open([rows[i] for i in members], CPU, compiled)
    for _ in range(updates):
        cohort.update()
    return cohort, torch.stack(cohort.losses, 1)


def near(x: torch.Tensor) -> torch.Tensor:
    """The nearest bfloat16 number, even where two are as near, by the bits of float32."""
    bits = x.contiguous().view(torch.int32).long()
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16 << 16).int().view(torch.float32)


def test_a_product_is_that_of_rounded_factors_and_so_are_its_gradients(seed):
    draw = Streams((seed,))
    x, w = (draw.normal(name, (3, 7))[0].requires_grad_() for name in "xw")
    slope = draw.normal("slope", (3, 3))[0]
    with Rounding():
        product = x @ w.T
        found = torch.autograd.grad(product, (x, w), slope)
    exact = [t.detach().double() for t in (near(x.detach()), near(w.detach()), near(slope))]
    torch.testing.assert_close(product.double(), exact[0] @ exact[1].T, rtol=0, atol=1e-6)
    torch.testing.assert_close(found[0].double(), exact[2] @ exact[1], rtol=0, atol=1e-6)
    torch.testing.assert_close(found[1].double(), exact[2].T @ exact[0], rtol=0, atol=1e-6)
    assert product.dtype == found[0].dtype == torch.float32


@pytest.mark.parametrize(
    "product",
    [
        lambda x: x @ x.T,
        lambda x: x @ x[0],
        lambda x: torch.bmm(x[None], x.T[None]),
        lambda x: torch.baddbmm(x[None, :, :1], x[None], x.T[None], beta=0.5, alpha=2.0),
        lambda x: nn.functional.linear(x, x, x[:, 0]),
        lambda x: torch.einsum("ij,kj->ik", x, x),
        lambda x: nn.functional.conv1d(x[None], x[:2, :, None]),
        lambda x: nn.functional.scaled_dot_product_attention(x[None], x[None], x[None]),
    ],
    ids=["mm", "mv", "bmm", "baddbmm", "linear", "einsum", "conv", "attention"],
)
def test_every_kind_of_product_is_rounded(product):
    x = Streams((3,)).normal("x", (5, 5))[0]
    with rounding("float32"):
        before = product(x)
    with rounding("bf16"):
        after, double = product(x), product(x.double())
    assert 1e-5 < (after - before).abs().max() < 0.1
    assert (double - product(x.double())).abs().max() == 0, "float64 is never rounded"


def test_what_is_no_product_keeps_its_bits():
    x = Streams((3,)).normal("x", (4, 9))[0]
    for f in (lambda x: x.softmax(-1), lambda x: x.sum(0), lambda x: (x * x).mean(), torch.exp):
        with Rounding():
            assert torch.equal(f(x), f(x.clone()))
            rounded = f(x)
        assert torch.equal(rounded, f(x))


def test_a_training_ends_where_it_ends_in_float32_while_single_numbers_differ():
    found = {}
    for precision in ("float32", "bf16"):
        cohort, losses = trained(copying(dtype=precision), [0, 1, 2], 150)
        found[precision] = losses
        assert cohort.population.flat.dtype == cohort.memory["mean"].dtype == torch.float32
    single, rounded = found["float32"], found["bf16"]
    early = (rounded[:, :10] - single[:, :10]).abs()
    assert early[:, 0].max() > 1e-5, "bf16 did nothing"
    assert early.max() < 0.02
    assert (single[:, 0] > 1.5).all()
    # The gain over the first loss is the same to 2 %: 7 bits are 0.4 %.
    gain = [losses[:, 0] - losses[:, -10:].mean(1) for losses in (single, rounded)]
    torch.testing.assert_close(gain[1], gain[0], rtol=0.02, atol=0)


def test_a_member_has_its_bits_in_any_company():
    training = copying(dtype="bf16", batch=13)
    everyone, losses = trained(training, [0, 1, 2], 20)
    for few in ([1], [2, 1]):
        some, own = trained(training, few, 20)
        assert torch.equal(own, losses[few])
        assert torch.equal(some.population.flat, everyone.population.flat[few])


def test_a_program_rounds_as_eager_updates_do_and_keeps_to_members():
    """It is nearer to them than a third of what rounding changes: the compiler may not leave the rounding out."""
    task = LinearTeacher(strengths=(2.0, 1.0), inputs=5, outputs=3)
    training = copying(task=task, model=MLP(width=7), objective=SquaredError(), batch=13)
    _, single = trained(training, [0, 1, 2], 5)
    _, eager = trained(training.replace(dtype="bf16"), [0, 1, 2], 5)
    everyone, program = trained(training.replace(dtype="bf16"), [0, 1, 2], 5, compiled=True)
    assert (program - eager).abs().max() < (single - eager).abs().max() / 3
    alone, own = trained(training.replace(dtype="bf16"), [1], 5, compiled=True)
    assert torch.equal(own, program[1:2])
    assert torch.equal(alone.population.flat, everyone.population.flat[1:2])


class Signals(Task):
    """Noise, and noise to answer it with."""

    @property
    def shape(self) -> Shape:
        return Shape(features=9, outputs=1)

    def sample(self, world, streams: Streams, size: int) -> Batch:
        return Batch(inputs=streams.normal("x", (size, 9)), targets=streams.normal("y", (size, 1)))


def own(shape: Shape) -> nn.Module:
    """A map, attention, a convolution and a map, as PyTorch has them."""
    attention = nn.TransformerEncoderLayer(4, 2, 8, dropout=0.0, batch_first=True)
    convolution = nn.Sequential(nn.Flatten(), nn.Unflatten(1, (1, 8)), nn.Conv1d(1, 2, 3))
    return nn.Sequential(
        nn.Linear(9, 8), nn.Unflatten(1, (2, 4)), attention, convolution, nn.Flatten(), nn.Linear(12, 1)
    )


@pytest.mark.parametrize("model", [CNN(), MLP(width=7), FromModule(factory=own)], ids=["CNN", "MLP", "FromModule"])
def test_other_models_are_rounded_too_and_keep_to_members(model):
    training = copying(task=Signals(), model=model, objective=SquaredError(), batch=6)
    _, single = trained(training, [0, 1, 2], 3)
    _, rounded = trained(training.replace(dtype="bf16"), [0, 1, 2], 3)
    assert 0 < (single - rounded).abs().max() < 0.05
    _, alone = trained(training.replace(dtype="bf16"), [1], 3)
    assert torch.equal(alone, rounded[1:2])


def test_measures_see_float32():
    """What a network computes outside of an update is not rounded."""
    cohort, _ = trained(copying(dtype="bf16"), [0], 1)
    inputs = cohort.data.at(0).inputs
    outputs = cohort.population(inputs)
    with Rounding():
        assert not torch.equal(cohort.population(inputs), outputs)
    assert torch.equal(cohort.population(inputs), outputs)


def test_on_a_gpu_factors_are_bfloat16_and_results_float32():
    """Told from types alone: there need not be a GPU."""
    with FakeTensorMode(), Rounding():
        x, plus = torch.empty(2, 3, 3, device="cuda"), torch.empty(2, 1, 3, device="cuda")
        y = torch.empty(3, 3, device="cuda")
        for found in (torch.bmm(x, x), torch.baddbmm(plus, x, x, alpha=2.0), torch.mm(y, y), torch.addmm(y, y, y)):
            assert (found.dtype, found.device.type) == (torch.float32, "cuda")
        heads = torch.empty(2, 2, 8, 4, device="cuda")
        fused = torch.ops.aten._scaled_dot_product_efficient_attention
        z, logarithm, *_ = fused(heads, heads, heads, None, True, 0.0, True)
        assert z.dtype == logarithm.dtype == torch.float32
        back = torch.ops.aten._scaled_dot_product_efficient_attention_backward
        seeds_ = [torch.empty(0, device="cuda")] * 2
        rest = *seeds_, 0.0, [True, True, True, False], True
        slopes = back(heads, heads, heads, heads, None, z, logarithm, *rest)
        assert {s.dtype for s in slopes if s is not None} == {torch.float32}


def test_tf32_is_not_for_a_cpu():
    training = copying(dtype="tf32")
    with pytest.raises(UserError, match="tf32 is a precision of GPUs: use float32 or bf16"):
        training.plan(training.factors.rows(), CPU)


def test_float64_stays():
    task = LinearTeacher(strengths=(2.0, 1.0), inputs=5, outputs=3)
    double = copying(task=task, model=MLP(width=7), objective=SquaredError(), dtype="float64")
    assert double.in_precision("bf16") is double
    assert copying().in_precision("bf16") == copying(dtype="bf16")
