"""Runs a piece of Python in a process of its own, for what only a fresh process shows."""

from __future__ import annotations

import os
import subprocess
import sys

_OWN = ("LAMINA_MAX_ISA", "OMP_NUM_THREADS")  # a test sets these or has them unset


def run_script(code: str, timeout: float = 120, check: bool = True, **environment: str) -> str:
    """What `code` prints.  A non-zero exit raises, or with ``check=False`` gives the last line of its traceback."""
    env = {k: v for k, v in os.environ.items() if k not in _OWN} | environment
    env["PYTHONPATH"] = os.pathsep.join(p for p in sys.path if p)
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=timeout
    )
    if done.returncode == 0:
        return done.stdout.strip()
    assert not check, f"exit status {done.returncode}\n{done.stdout}\n{done.stderr}"
    return (done.stderr.strip().splitlines() or [""])[-1]
