"""The empirical neural tangent kernel of any module, its alignment with targets, and how far it has moved."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call, jacrev, vmap


def empirical_kernel(
    module: nn.Module, inputs: Float[Tensor, "point ..."], chunk: int | None = None
) -> Float[Tensor, "point point"]:
    r"""$K(x, x') = \sum_o \langle\nabla_\theta f_o(x), \nabla_\theta f_o(x')\rangle$, over all outputs o.

    `module` is an ordinary one, from `[sample, ...]` to `[sample, ...]`, whose samples do not see each other; a
    population's are had by `Population.member`. Only parameters that require a gradient count. `chunk` points at a time
    (None: all) are differentiated. The kernel is symmetric, with no eigenvalue below 0 but for rounding.

    Cost: a backward pass an output and point, and the Jacobian in memory: point * output * parameter numbers.
    Source: Jacot, Gabriel & Hongler, arXiv 1806.07572.
    """
    parameters = {name: p.detach() for name, p in module.named_parameters() if p.requires_grad}
    rest = {name: p.detach() for name, p in module.named_parameters() if not p.requires_grad}
    rest |= dict(module.named_buffers())

    def outputs(free: dict[str, Tensor], x: Tensor) -> Tensor:
        return functional_call(module, (free, rest), (x[None],))[0].flatten()

    jacobian = vmap(jacrev(outputs), (None, 0), chunk_size=chunk)(parameters, inputs)
    kernel = torch.zeros(len(inputs), len(inputs), dtype=inputs.dtype, device=inputs.device)
    for slopes in jacobian.values():
        rows = slopes.flatten(1)
        kernel = kernel + rows @ rows.mT
    return kernel


def kernel_alignment(
    kernel: Float[Tensor, "*lead point point"], targets: Float[Tensor, "*lead point"]
) -> Float[Tensor, "*lead"]:
    r"""$y^T K y / (|K|_F\, |y|^2)$: the cosine between the kernel and $y y^T$, from 0 to 1 for a kernel. NaN for 0s.

    Source: Cristianini et al. (2001), "On kernel-target alignment".
    """
    form = (targets[..., None, :] @ kernel @ targets[..., None])[..., 0, 0]
    return form / (kernel.flatten(-2).norm(dim=-1) * targets.square().sum(-1))


def kernel_drift(
    before: Float[Tensor, "*lead point point"], after: Float[Tensor, "*lead point point"]
) -> Float[Tensor, "*lead"]:
    r"""$1 - \langle K, K'\rangle / (|K|_F |K'|_F)$: 0 where a kernel has only been rescaled, 1 at most. NaN for 0s.

    Source: Fort et al., arXiv 2010.15110.
    """
    a, b = before.flatten(-2), after.flatten(-2)
    return 1 - (a * b).sum(-1) / (a.norm(dim=-1) * b.norm(dim=-1))
