"""A study that parts of the benchmark run as a user would: faithful-cot at desk scale, cut short, and the command."""

from pathlib import Path

ONTOGENY = ["-c", "import sys; sys.argv[0] = 'ontogeny'; from ontogeny.cli import main; main()"]  # after `python`
TEXT = '''"""faithful-cot at desk scale, cut short."""

from dataclasses import replace

from ontogeny.studies import faithful_cot

study = replace(faithful_cot.study, scales={{"desk": faithful_cot.experiment(steps={steps})}})
'''


def run_command(folder: Path, steps: int, mode: str, device: str, out: Path, **levels: str) -> list[str]:
    """What stands behind `python` to run it into `out`, without any cache; writes the study's file."""
    file = folder / "short_cot.py"
    file.write_text(TEXT.format(steps=steps))
    given = ["--no-cache", "--mode", mode, "--device", device, "--out", str(out)]
    changed = [word for name, values in levels.items() for word in ("--set", f"{name}={values}")]
    return [*ONTOGENY, "run", str(file), "--scale", "desk", *given, *changed]
