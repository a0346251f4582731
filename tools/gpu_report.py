"""The end of tools/gpu_check.sh: a short table of phases and of the benchmarks against their goals, and JSON beside it.

    python tools/gpu_report.py FOLDER

The folder holds phases.tsv (name, exit status, seconds), device.txt (name, driver) and, where there was time for it,
benchmarks.json. Writes summary.txt and summary.json there. Exits non-zero where a phase failed.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
TIMED_OUT = 124


def phases_of(text: str) -> list[dict[str, Any]]:
    rows = [line.split("\t") for line in text.splitlines()]
    return [{"phase": name, "status": int(status), "seconds": int(took)} for name, status, took in rows]


def verdict(status: int) -> str:
    return {0: "ok", TIMED_OUT: "out of time"}.get(status, f"failed ({status})")


def table(summary: dict[str, Any]) -> str:
    lines = [f"{summary['device']}, driver {summary['driver']}, commit {summary['commit'][:12]}", ""]
    lines += [f"{p['phase']:<16} {verdict(p['status']):<12} {p['seconds']:>4} s" for p in summary["phases"]]
    found = summary["benchmarks"]
    if found:
        lines += ["", f"{'torch / lamina':<36} {'ratio':>6} {'goal':>6}"]
        for r in found["results"]:
            goal, missed = r["goal"], r["goal"] is not None and r["ratio"] < r["goal"]
            shown = "" if goal is None else f"{goal:g}"
            lines.append(
                f"{r['op'] + ' ' + r['dtype']:<36} {r['ratio']:>6.2f} {shown:>6}{'  below' if missed else ''}"
            )
        lines += [f"{op}: WRONG: {what.splitlines()[0][:80]}" for op, what in found["wrong"].items()]
        if found["not_begun"]:
            lines.append(f"{len(found['not_begun'])} rows were not begun")
    return "\n".join(lines) + "\n"


def main(folder: Path) -> int:
    device, driver = (folder / "device.txt").read_text().strip().splitlines()[0].split(", ")[:2]
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, cwd=ROOT)
    benchmarks = folder / "benchmarks.json"
    summary = {
        "device": device,
        "driver": driver,
        "commit": commit.stdout.strip() or "unknown",
        "phases": phases_of((folder / "phases.tsv").read_text()),
        "benchmarks": json.loads(benchmarks.read_text()) if benchmarks.exists() else None,
    }
    text = table(summary)
    (folder / "summary.txt").write_text(text)
    (folder / "summary.json").write_text(json.dumps(summary, indent=2) + "\n")
    print(text, end="")
    return int(any(p["status"] != 0 for p in summary["phases"]))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
