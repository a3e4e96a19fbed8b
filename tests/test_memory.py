"""Memory that is freed stays with the process: the next update finds it as it was left."""

import subprocess
import sys

import pytest

UPDATES = """
import resource, threading
import torch
from ontogeny.memory import keep_freed

def update():
    return [torch.ones(1 << 20) for _ in range(8)]  # 4 MB each, freed at once

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        update()
    return (resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) / 10

if {keep}:
    keep_freed()
update(), update()
found = [faults()]
thread = threading.Thread(target=lambda: (update(), update(), found.append(faults())))
thread.start(), thread.join()
print(*found)
"""
PAGES = 8 * 1024  # of 4 kB that an update writes to


def faults_an_update(keep: bool) -> list[float]:
    """Pages that an update has to ask the system for, in the main thread and in another one."""
    code = UPDATES.format(keep=keep)
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    return [float(number) for number in shown.split()]


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's allocator")
def test_what_is_freed_is_not_fetched_again():
    assert max(faults_an_update(keep=True)) < 0.01 * PAGES
    assert min(faults_an_update(keep=False)) > 0.05 * PAGES  # or this test could not fail
