"""Every script under examples/ runs as it is, without a screen and without a complaint."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
SCRIPTS = sorted(EXAMPLES.rglob("plot_*.py"))


def test_there_are_examples():
    assert SCRIPTS


@pytest.mark.slow
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: str(path.relative_to(EXAMPLES)))
def test_example_runs(script, tmp_path):
    pytest.importorskip("matplotlib")
    if "import pandas" in script.read_text("utf8"):
        pytest.importorskip("pandas")
    # Threads that wait for busy cores can cost more than they gain on data as small as these.
    settings = {"MPLBACKEND": "Agg", "OMP_NUM_THREADS": "1"}
    path = os.pathsep.join([str(EXAMPLES.parent), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, str(script)],
        cwd=tmp_path,
        env={**os.environ, **settings, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout
    assert not any(tmp_path.iterdir())
