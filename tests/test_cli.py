"""The command line, as its users meet it: commands and options, output, errors and exit codes."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import typer

from ontogeny import cli

STUDY = str(Path(__file__).parent / "small_study.py")


@pytest.fixture
def ontogeny(monkeypatch, capsys, tmp_path):
    """Calls the command in a folder of its own; gives exit code, standard output and standard error."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")

    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["ontogeny", *arguments])
        code = 0
        try:
            cli.main()
        except SystemExit as leaving:
            code = int(leaving.code or 0)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


def test_the_commands_and_options_are_these():
    group = typer.main.get_command(cli.app)
    commands = group.commands | {f"cache {name}": c for name, c in group.commands["cache"].commands.items()}
    options = {
        name: sorted(o for p in command.params for o in p.opts if o.startswith("--"))
        for name, command in commands.items()
        if name != "cache"
    }
    assert options == {
        "list": ["--json"],
        "show": ["--scale"],
        "run": [
            "--address",
            "--device",
            "--dry-run",
            "--executor",
            "--json",
            "--keep-weights",
            "--mode",
            "--no-cache",
            "--out",
            "--precision",
            "--scale",
            "--seeds",
            "--set",
            "--shard",
        ],
        "verify": ["--device", "--json", "--mode", "--no-cache", "--out", "--scale"],
        "report": ["--figures"],
        "export": ["--out", "--to"],
        "prove": ["--member"],
        "embed-check": [
            "--columns",
            "--curve",
            "--embedding",
            "--length",
            "--method",
            "--out",
            "--perplexity",
            "--rows",
        ],
        "new": ["--out"],
        "cache list": ["--json"],
        "cache prune": ["--all", "--larger", "--older"],
    }


def test_list_and_show(ontogeny):
    code, out, _ = ontogeny("list")
    assert code == 0
    assert "faithful-cot" in out
    code, out, _ = ontogeny("list", "--json")
    assert {"slug", "finding"} == set(json.loads(out)[0])
    code, out, _ = ontogeny("show", "faithful-cot")
    assert code == 0
    for expected in ("step_noise: 0.0, 0.02, 0.05, 0.3", "16 members", "simplicity-bias", "control:", "2602.01017"):
        assert expected in out, expected


def test_a_study_from_a_file_is_run_judged_and_reported(ontogeny, tmp_path):
    code, out, err = ontogeny("run", STUDY, "--scale", "smoke")
    assert code == 0
    assert "inconclusive" in out
    (folder,) = (tmp_path / "runs").iterdir()
    assert folder.name.startswith("small-study-smoke-")
    assert (folder / "report.html").stat().st_size > 10_000
    assert "diverged and frozen: the member with lr=1e+30, seed=1000" in err
    code, out, _ = ontogeny("run", STUDY, "--scale", "smoke", "--json")
    claim = json.loads(out)["claims"][0]
    assert {"id", "says", "verdict", "statistic", "low", "high", "threshold", "n", "control"} <= set(claim)
    code, out, _ = ontogeny("prove", str(folder), "--member", "1")
    assert code == 0
    assert out.startswith("proved: ")
    assert "bit for bit" in out
    code, out, _ = ontogeny("report", str(folder))
    assert out.strip().endswith("report.html")
    code, out, _ = ontogeny("export", str(folder), "--to", "csv")
    assert code == 0
    assert all(Path(line).exists() for line in out.split())


def test_levels_and_seeds_of_the_users_own(ontogeny):
    code, out, _ = ontogeny("run", STUDY, "--scale", "smoke", "--seeds", "3", "--set", "lr=0,0.01", "--dry-run")
    assert code == 0
    assert "main: 6 members in 1 populations, 1 cohorts, 90 parameters" in out
    assert "claim learns: 3 seeds, a 95 % interval of 2.48 standard deviations between seeds to either side" in out
    code, out, _ = ontogeny("run", STUDY, "--scale", "smoke", "--dry-run", "--json")
    experiments = json.loads(out)["experiments"]
    assert experiments["main"]["members"] == 6
    # Forward and backward of a map from 5 to 3 on 7 samples: 2 * 7 * 5 * 3 each, the input needing no gradient.
    assert experiments["main"]["flops"] == 6 * 20 * 2 * (2 * 7 * 5 * 3)
    assert experiments["drawn"]["seconds"] is None


def test_members_are_kept_for_other_runs(ontogeny, tmp_path):
    code, out, _ = ontogeny("cache")
    assert (code, out) == (0, f"0 members, 0 B in {os.environ['ONTOGENY_CACHE']}\n")
    assert ontogeny("run", STUDY, "--scale", "smoke")[0] == 0
    code, out, _ = ontogeny("run", STUDY, "--scale", "smoke", "--seeds", "3", "--dry-run")
    assert "main: 6 members from the cache, 3 members in 1 populations" in out
    code, out, _ = ontogeny("run", STUDY, "--scale", "smoke", "--seeds", "3", "--dry-run", "--no-cache", "--json")
    assert json.loads(out)["experiments"]["main"]["cached"] == 0
    code, out, err = ontogeny("run", STUDY, "--scale", "smoke", "--seeds", "3", "--json")
    assert code == 0
    assert json.loads(out)["study"] == "small-study"
    assert "main: 6 of 9 members from the cache" in err
    assert "main: 9 members in" in err
    code, _, err = ontogeny("run", STUDY, "--scale", "smoke", "--seeds", "3", "--no-cache", "--out", "other")
    assert code == 0
    assert "from the cache" not in err
    code, out, _ = ontogeny("cache")
    assert re.search(r"small-study +15 +[\d.]+ KB +0 B +\d+ s ago", out)
    code, out, _ = ontogeny("cache", "--json")
    assert [(s["study"], s["members"]) for s in json.loads(out)["studies"]] == [("small-study", 15)]
    assert ontogeny("cache", "prune", "--older", "1d")[1].startswith("removed 0 members, 0 B; 15 members")
    code, out, _ = ontogeny("cache", "prune", "--larger", "0")
    assert out.startswith("removed 15 members, ")
    assert "; 0 members, 0 B are left in" in out


def test_a_table_of_the_users_own_is_checked(ontogeny, tmp_path):
    rows = np.random.default_rng(0).normal(size=(40, 3)) + np.repeat([[0], [6]], 20, axis=0)
    np.save(tmp_path / "table.npy", rows)
    code, out, err = ontogeny("embed-check", "table.npy", "--perplexity", "8", "--out", "checked")
    assert code == 0, err
    scores, page = (Path(line.split(":", 1)[1].strip()) for line in out.strip().splitlines()[-2:])
    assert len(scores.read_text().splitlines()) == 41
    assert "<html" in page.read_text()


def test_verify_keeps_verdicts_and_tells_an_invalid_claim(ontogeny, tmp_path):
    code, _, _ = ontogeny("verify", STUDY, "--scale", "smoke", "--out", "kept")
    assert code == 0
    kept = json.loads((tmp_path / "kept" / "smoke" / "small-study.json").read_text())
    assert kept["seeds"] == [1000, 1001]
    assert kept["claims"][0]["verdict"] == "inconclusive"
    source = Path(STUDY).read_text()
    bad = tmp_path / "bad_control.py"
    bad.write_text(source.replace("above=2.0", "above=1e9"))
    code, out, _ = ontogeny("verify", str(bad), "--scale", "desk", "--json")
    assert code == 1
    assert json.loads(out)["studies"]["bad-control"][0]["verdict"] == "invalid"


def test_a_new_study_runs_as_it_is(ontogeny, tmp_path):
    code, out, _ = ontogeny("new", "my-idea")
    assert code == 0
    assert (tmp_path / "my_idea.py").exists()
    code, out, _ = ontogeny("run", "my_idea.py", "--scale", "smoke")
    assert code == 0
    assert "learns" in out


@pytest.mark.parametrize(
    ("arguments", "code", "line"),
    [
        (["run", "faithful-cott"], 2, "no study 'faithful-cott': did you mean 'faithful-cot'"),
        (["run", "nowhere.py"], 2, "there is no file nowhere.py"),
        (["run", STUDY, "--set", "lrr=1"], 2, "small-study has no factor 'lrr': did you mean 'lr'"),
        (["run", STUDY, "--set", "lr"], 2, "--set lr is not FACTOR=VALUES"),
        (["run", STUDY, "--scale", "dsek"], 2, "this study has no scale 'dsek': did you mean 'desk'"),
        (["run", STUDY, "--seeds", "0"], 2, "at least one seed, got 0"),
        (["run", STUDY, "--device", "gpu"], 2, "no device 'gpu'"),
        (["run", "width.py"], 2, "width 9 is not divisible by 2 heads"),
        (["run", "error.py"], 2, "error.py, line 2: division by zero"),
        (["run", "syntax.py"], 2, "syntax.py, line 1:"),
        (["run", "empty.py"], 2, "defines no study"),
        (["run", "unknown_field.py"], 2, "SGD has no field 'learning_rate'"),
        (["run", "broken.py", "--scale", "smoke"], 1, "experiment 'main' broke in the members from x=1, seed=1000"),
        (["run", STUDY, "--executor", "rya"], 2, "no executor 'rya': did you mean 'ray'?"),
        (["run", STUDY, "--address", "here:1"], 2, "--address here:1 is Ray's: give --executor ray, too"),
        (["run", STUDY, "--shard", "3/2"], 2, "--shard 3/2 is no part of a whole: write it like --shard 1/4"),
        (["run", STUDY, "--shard", "1/2", "--executor", "ray"], 2, "both divide the work: give one of them"),
        (["run", STUDY, "--out", "nope://x/y"], 2, "nope://x/y is no address of a folder"),
        (["prove", "memory://nowhere/run"], 2, "there is no memory://nowhere/run/run.json"),
        (["prove", "nowhere"], 2, "there is no nowhere/run.json"),
        (["report", "nowhere"], 2, "there is no nowhere/run.json"),
        (["export", "nowhere"], 2, "there is no nowhere/run.json"),
        (["embed-check", "nowhere.csv"], 2, "nowhere.csv"),
        (["embed-check", "few.csv"], 2, "perplexity 30 needs more than 31 rows"),
        (["embed-check", "few.csv", "--curve", "5,x"], 2, "--curve 5,x is not a list of numbers"),
        (["cache", "prune"], 2, "nothing says what to remove: give --older 30d, --larger 5GB or --all"),
        (["cache", "prune", "--older", "30"], 2, "'30' is not a time: write it like 12h or 30d"),
        (["new", "My Study"], 2, "cannot name a study"),
        (["new", "faithful-cot"], 2, "the package has a study 'faithful-cot' already"),
    ],
)
def test_errors_are_one_line(ontogeny, tmp_path, arguments, code, line):
    source = Path(STUDY).read_text()
    (tmp_path / "error.py").write_text("x = 1\ny = x / 0\n")
    (tmp_path / "syntax.py").write_text("def\n")
    (tmp_path / "empty.py").write_text('"""Nothing."""\n')
    (tmp_path / "unknown_field.py").write_text("from ontogeny.training.optimizers import SGD\nSGD(learning_rate=1)\n")
    (tmp_path / "broken.py").write_text(BROKEN)
    (tmp_path / "few.csv").write_text("a,b\n1,2\n3,4\n5,7\n")
    (tmp_path / "width.py").write_text(
        source.replace("model=Linear()", "model=Transformer(width=9, heads=2)").replace(
            "import torch\n", "import torch\nfrom ontogeny.models.transformer import Transformer\n", 1
        )
    )
    got, out, err = ontogeny(*arguments)
    said = err.strip().splitlines()[-1]
    assert line in said
    assert said.startswith("error: ")
    assert "Traceback" not in out + err
    assert got == code


BROKEN = '''"""A study whose experiment breaks."""
from ontogeny import Paper, Study, Trial, seeds, vary

def breaks(streams, x):
    return {"y": 1 / 0}

trial = Trial(factors=vary(x=(1,)) * seeds(2), function=breaks)
study = Study(paper=Paper("A", "B", 2020), scales=dict(smoke=trial), claims=[])
'''


def test_debug_shows_the_traceback(ontogeny):
    code, _, err = ontogeny("--debug", "run", "nowhere.py")
    assert code == 2
    assert "Traceback" in err
    ontogeny("list")  # and the flag does not stay


def test_cuda_that_is_not_there_is_refused(ontogeny, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    code, _, err = ontogeny("run", STUDY, "--device", "cuda")
    assert code == 2
    assert "CUDA was asked for, but PyTorch finds no GPU here: use --device cpu" in err


def test_ctrl_c_is_a_line(ontogeny, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("ontogeny.run.run", interrupted)
    code, _, err = ontogeny("run", STUDY, "--scale", "smoke")
    assert code == 2
    assert "interrupted: what was committed is kept" in err


def test_the_module_is_the_command():
    done = subprocess.run([sys.executable, "-m", "ontogeny", "show", "no-such-study"], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("error: no study 'no-such-study'")


def test_help_does_not_wait_for_torch():
    command = "import sys; sys.argv = ['ontogeny', '--help']\nfrom ontogeny.cli import main\n"
    check = (
        "try:\n    main()\nexcept SystemExit:\n    pass\nassert not {'torch', 'xarray', 'numpy'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", command + check], check=True, stdout=subprocess.DEVNULL)
