"""Halved products: a member that trains alone has its large products on two cores, with the bits of one.

The rows of a product are independent of each other, so it can be made in two halves, a matrix of a batch each. Whether
a half has the bits that it has in the whole depends on the kernels that the library takes for the two shapes: it is
tried on random numbers before a product is halved, on the machine that will make it. Any other product of such an
update is made twice, a copy a core, for a single one would be divided over both, and some then have other bits.
"""

from functools import cache

import torch
from jaxtyping import Float
from torch import Tensor, fx

from ontogeny.machine import threads
from ontogeny.streams import Streams

aten = torch.ops.aten
BMM, VIEW, EXPAND, NARROW = aten.bmm.default, aten.view.default, aten.expand.default, aten.narrow.default
# Kernels that divide their work over threads in ways of their own.
DIVIDED = (aten.mm.default, aten.addmm.default, aten.convolution.default, aten.convolution_backward.default)
LEAST = 2e6  # floating-point operations, below which a second thread costs more than it gives


def halve_products(graph: fx.GraphModule) -> bool:
    """Rewrites the products of a lone member, `[1, row, inner] x [1, inner, column]`, for two threads.

    Gives whether there are any to halve; otherwise the graph stays as it is, and is for one thread.
    """
    if any(graph.graph.find_nodes(op="call_function", target=kernel) for kernel in DIVIDED):
        return False
    alone = [n for n in graph.graph.find_nodes(op="call_function", target=BMM) if n.meta["val"].shape[0] == 1]
    halved = [node for node in alone if _can_be_halved(node)]
    if not halved:
        return False
    for node in alone:
        with graph.graph.inserting_before(node):
            product = _in_halves(graph.graph, node) if node in halved else _of_twins(graph.graph, node)
        product.meta["val"] = node.meta["val"]
        node.replace_all_uses_with(product)
        graph.graph.erase_node(node)
    graph.recompile()
    return True


def _can_be_halved(node: fx.Node) -> bool:
    x, w = _factors(node)
    rows, inner, columns = x.shape[1], x.shape[2], w.shape[2]
    if rows % 2 or 2 * rows * inner * columns < LEAST:
        return False
    return halves_agree(rows, inner, columns, x.stride()[1:], w.stride()[1:], x.dtype)


def _factors(node: fx.Node) -> tuple[Tensor, Tensor]:
    x, w = (argument.meta["val"] for argument in node.args if isinstance(argument, fx.Node))
    return x, w


def _in_halves(graph: fx.Graph, node: fx.Node) -> fx.Node:
    x, w = _factors(node)
    (_, rows, inner), columns = x.shape, w.shape[2]
    halves = graph.call_function(VIEW, (node.args[0], [2, rows // 2, inner]))
    twice = graph.call_function(EXPAND, (node.args[1], [2, inner, columns]))
    product = graph.call_function(BMM, (halves, twice))
    return graph.call_function(VIEW, (product, [1, rows, columns]))


def _of_twins(graph: fx.Graph, node: fx.Node) -> fx.Node:
    twins = [
        graph.call_function(EXPAND, (argument, [2, *value.shape[1:]]))
        for argument, value in zip(node.args, _factors(node), strict=True)
    ]
    return graph.call_function(NARROW, (graph.call_function(BMM, tuple(twins)), 0, 0, 1))


@cache
def halves_agree(
    rows: int,
    inner: int,
    columns: int,
    x_strides: tuple[int, ...],
    w_strides: tuple[int, ...],
    dtype: torch.dtype,
) -> bool:
    """Whether two threads give the halves of a product the bits that one thread gives them in the whole."""
    streams = Streams((0,)).of("halves")
    x = _laid_out(streams.normal("x", (rows, inner)).to(dtype), x_strides)
    w = _laid_out(streams.normal("w", (inner, columns)).to(dtype), w_strides)

    def halves() -> Tensor:
        return torch.bmm(x.unflatten(1, (2, -1))[0], w.expand(2, -1, -1)).view(1, rows, columns)

    with threads(1):
        whole, apart = torch.bmm(x, w), halves()
    with threads(2):
        return torch.equal(whole, apart) and torch.equal(whole, halves())


def _laid_out(x: Float[Tensor, "1 row column"], strides: tuple[int, ...]) -> Float[Tensor, "1 row column"]:
    """The same numbers row by row, or column by column where the strides have it so."""
    return x.mT.contiguous().mT if strides[0] < strides[1] else x
