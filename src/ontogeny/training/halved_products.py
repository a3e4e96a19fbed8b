"""Halved products: a member that trains alone has its large products on two cores, with the bits of one.

The rows of a product are independent of each other, so it can be made in two halves, a matrix of a batch each. Whether
a half has the bits that it has in the whole depends on the kernels that the library takes for the two shapes: it is
tried on random numbers before a product is halved, on the machine that will make it.
"""

from functools import cache

import torch
from jaxtyping import Float
from torch import Tensor, fx

from ontogeny.machine import threads
from ontogeny.streams import Streams

BMM, VIEW, EXPAND = torch.ops.aten.bmm.default, torch.ops.aten.view.default, torch.ops.aten.expand.default
LEAST = 2e6  # floating-point operations, below which a second thread costs more than it gives


def halve_products(graph: fx.GraphModule) -> None:
    """Rewrites the products of a lone member, `[1, row, inner] x [1, inner, column]`, as batches of two."""
    for node in graph.graph.find_nodes(op="call_function", target=BMM):
        x, w = (argument.meta["val"] for argument in node.args)
        rows, inner, columns = x.shape[1], x.shape[2], w.shape[2]
        if x.shape[0] > 1 or rows % 2 or 2 * rows * inner * columns < LEAST:
            continue
        if not halves_agree(rows, inner, columns, x.stride()[1:], w.stride()[1:], x.dtype):
            continue
        with graph.graph.inserting_before(node):
            halves = graph.graph.call_function(VIEW, (node.args[0], [2, rows // 2, inner]))
            twice = graph.graph.call_function(EXPAND, (node.args[1], [2, inner, columns]))
            product = graph.graph.call_function(BMM, (halves, twice))
            whole = graph.graph.call_function(VIEW, (product, [1, rows, columns]))
        whole.meta["val"] = node.meta["val"]
        node.replace_all_uses_with(whole)
        graph.graph.erase_node(node)
    graph.recompile()


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
