"""What all tests share."""

import uuid

import pytest
import torch
from places import s3

torch.set_num_threads(1)  # as every cohort has it


@pytest.fixture(params=[0, 1])
def seed(request) -> int:
    """A seed: any from 0 to 99 must pass."""
    return request.param


@pytest.fixture(scope="session")
def s3_server():
    """One S3 server: s3fs keeps its connections, and so its address, for as long as the process lives."""
    with s3() as address:
        yield address


@pytest.fixture
def bucket(s3_server) -> str:
    """The address of a bucket of its own."""
    pytest.importorskip("s3fs")
    name = f"runs-{uuid.uuid4().hex}"
    pytest.importorskip("boto3").client("s3").create_bucket(Bucket=name)
    return f"s3://{name}"


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch, tmp_path_factory, request):
    """A cache of members for every test, so that none finds what another, or the user, left."""
    place = tmp_path_factory.getbasetemp() / "caches" / str(abs(hash(request.node.nodeid)))
    monkeypatch.setenv("ONTOGENY_CACHE", str(place))
