"""``python -m lamina info``: what lamina was built with and what it runs on."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from lamina.config import show_config


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m lamina", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("info", help="build, instruction set, threads and memory")
    parser.parse_args(arguments)
    show_config()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
