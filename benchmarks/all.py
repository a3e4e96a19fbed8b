"""The whole benchmark, part by part, into docs/performance.md: what `make bench` runs.

python benchmarks/all.py                                # about an hour on two cores, which do nothing else
python benchmarks/all.py --quick --out /tmp/page.md     # every part at its smallest, some minutes
python benchmarks/all.py --parts population growth
"""

import subprocess
import sys
import time
from pathlib import Path

from page import ROOT, duration, options, put, table

PARTS = {
    "population": "networks and members beside their rivals",
    "modules": "any module as a population",
    "growth": "time and memory with members",
    "measuring": "what measuring costs",
    "starting": "start-up and resume",
    "study": "a whole study beside a plain script",
}


def main() -> None:
    parser = options(__doc__)
    parser.set_defaults(out=Path("docs/performance.md"))
    parser.add_argument("--parts", nargs="+", default=list(PARTS), choices=PARTS)
    args = parser.parse_args()
    given = ["--device", args.device, "--out", str(args.out), *(["--quick"] if args.quick else [])]
    rows, failed = [], []
    for part in args.parts:
        print(f"\n== {part}: {PARTS[part]}", flush=True)
        began = time.perf_counter()
        if subprocess.run([sys.executable, str(ROOT / "benchmarks" / f"{part}.py"), *given]).returncode:
            failed.append(part)
        rows.append([f"`benchmarks/{part}.py`", PARTS[part], duration(time.perf_counter() - began)])
        print(f"== {part} took {rows[-1][-1]}", flush=True)
    put(args.out, "took", table(["part", "what it measures", "took"], rows, words=2))
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
