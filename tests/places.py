"""Places for the tests of what is kept: object stores without and with a network in between."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import pytest


def memory() -> str:
    return f"memory://bucket-{uuid.uuid4().hex}/run"


@contextmanager
def s3() -> Iterator[str]:
    """An S3 server of our own, which boto3 and s3fs find by their environment; gives its address."""
    server = pytest.importorskip("moto.server").ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    environment = {
        "AWS_ACCESS_KEY_ID": "nobody",
        "AWS_SECRET_ACCESS_KEY": "nothing",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
    }
    try:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in environment.items():
                patch.setenv(name, value)
            yield environment["AWS_ENDPOINT_URL"]
    finally:
        server.stop()
