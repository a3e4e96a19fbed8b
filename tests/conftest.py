"""What all tests share."""

import pytest
import torch

torch.set_num_threads(1)  # as every cohort has it


@pytest.fixture(params=[0, 1])
def seed(request) -> int:
    """A seed: any from 0 to 99 must pass."""
    return request.param
