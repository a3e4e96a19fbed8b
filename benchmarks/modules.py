"""Any `nn.Module` as a population (`FromModule`), beside the stacked modules of the library and the rivals.

    python benchmarks/modules.py            # some three minutes on two cores
    python benchmarks/modules.py --quick

The module is the transformer of `plain`, as the rivals train it.
"""

import warnings
from contextlib import ExitStack
from dataclasses import astuple

import torch
from in_ontogeny import from_module, ours
from page import made_on, options, put, short, table
from plain import RIVALS, Size
from timing import in_turn

from ontogeny.memory import keep_freed

ROWS: dict[Size, tuple[int, ...]] = {
    Size("transformer", 16, 1, 16, 32): (8, 64),
    Size("transformer", 64, 2, 32, 64): (8,),
}
BESIDE = ("loop", "compiled loop", "vmap")


def main() -> None:
    args = options(__doc__).parse_args()
    warnings.simplefilter("ignore")
    keep_freed()
    device = torch.device(args.device)
    modes = list(ours(device))
    ways = {f"module {name}": way for name, way in ours(device, from_module).items()}
    ways |= {f"native {name}": way for name, way in ours(device).items()} | {name: RIVALS[name] for name in BESIDE}
    head = ["width", "layers", "context", "batch", "members", "steps/s", "÷ native", *(f"÷ {name}" for name in BESIDE)]
    rows = []
    for size, members in [(size, n) for size, counts in ROWS.items() for n in counts][: 1 if args.quick else None]:
        with ExitStack() as stack:
            turns = in_turn({n: stack.enter_context(w(size, members, device)) for n, w in ways.items()}, device)
        cells = [[short(members / turns.seconds(f"module {mode}")) for mode in modes]]
        cells.append([f"{turns.ratio(f'native {mode}', f'module {mode}'):.2f}" for mode in modes])
        cells += [[f"{turns.ratio(rival, f'module {mode}'):.2f}" for mode in modes] for rival in BESIDE]
        rows.append([*astuple(size)[1:], members, *(" / ".join(cell) for cell in cells)])
        print(*rows[-1], sep="\t", flush=True)
    put(args.out, "modules", "\n\n".join([table(head, rows), made_on(device)]))


if __name__ == "__main__":
    main()
