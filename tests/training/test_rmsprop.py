"""Oracle: `torch.optim.RMSprop`, member by member, step by step."""

import torch

from ontogeny.parts import stack
from ontogeny.training.rmsprop import RMSprop

RATES, DECAYS = (0.1, 0.01, 0.003), (0.99, 0.9, 0.5)


def test_equals_torch():
    g = torch.Generator().manual_seed(0)
    start = torch.randn(3, 48, generator=g, dtype=torch.float64)
    slopes = torch.randn(12, 3, 48, generator=g, dtype=torch.float64)
    rule = stack([RMSprop(lr=lr, decay=decay) for lr, decay in zip(RATES, DECAYS, strict=True)])
    ours, memory = start.clone(), rule.start(start)
    for update, slope in enumerate(slopes, 1):
        everyone = torch.ones(3, dtype=torch.bool)
        rule.step(ours, slope.clone(), memory, rule.columns(update, start), everyone, slope.norm(dim=1))
    for i in range(3):
        single = torch.nn.Parameter(start[i].clone())
        theirs = torch.optim.RMSprop([single], lr=RATES[i], alpha=DECAYS[i])
        for slope in slopes:
            single.grad = slope[i].clone()
            theirs.step()
        torch.testing.assert_close(ours[i], single.detach())
