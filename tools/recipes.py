"""Writes docs/recipes/: a page for each recipe of examples/, from its header and its pictures, and their index.

    python tools/recipes.py                              # pages and index anew
    python tools/recipes.py linear_classifier RUN_DIR    # also makes the recipe's pictures anew from a run folder
    python tools/recipes.py --check                      # fails if a page is not what its recipe's header says

A recipe's header is its docstring; the pictures lie in docs/recipes/NAME/, made small enough for a repository. A page
that has pictures keeps to its choice of them; one that has none gets all of the run.
"""

from __future__ import annotations

import argparse
import ast
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
PAGES = ROOT / "docs" / "recipes"
WIDTH, BYTES = 900, 60_000  # the most that a picture may have


def header(script: Path) -> tuple[str, str]:
    """First sentence, and the rest, of a script's docstring."""
    docstring = ast.get_docstring(ast.parse(script.read_text()))
    if docstring is None:
        sys.exit(f"{script}: expected a docstring")
    title, _, text = docstring.partition("\n\n")
    return " ".join(title.split()), text.strip("\n")


def page(script: Path) -> str:
    title, text = header(script)
    pictures = sorted(picture.name for picture in (PAGES / script.stem).glob("*.png"))
    shown = "".join(f"\n![{name}]({script.stem}/{name})\n" for name in pictures)
    return (
        f"# {title.rstrip('.')}\n\n[examples/{script.name}](../../examples/{script.name})\n\n{text}\n{shown}"
    )


def pages() -> dict[Path, str]:
    scripts = sorted((ROOT / "examples").glob("[!_]*.py"))  # _NAME.py is what recipes share
    lines = [f"- [{script.stem}]({script.stem}.md): {header(script)[0]}" for script in scripts]
    index = "# Recipes\n\nEach is one file of examples/, on data that a package carries.\n\n" + "\n".join(
        lines
    )
    return {PAGES / "index.md": index + "\n"} | {PAGES / f"{s.stem}.md": page(s) for s in scripts}


def take_pictures(name: str, run_dir: Path) -> None:
    """A run's ``with/curves.png`` is the page's ``with-curves.png``."""
    from PIL import Image

    page_folder = PAGES / name
    sources = {"-".join(path.relative_to(run_dir).parts): path for path in run_dir.rglob("*.png")}
    shown = sorted(path.name for path in page_folder.glob("*.png")) or sorted(sources)
    if missing := [picture for picture in shown if picture not in sources]:
        sys.exit(f"{run_dir}: expected the pictures {', '.join(missing)} of {name}'s page")
    page_folder.mkdir(parents=True, exist_ok=True)
    for picture in shown:
        image = Image.open(sources[picture]).convert("RGB")
        image.thumbnail((WIDTH, 10 * WIDTH), Image.Resampling.LANCZOS)
        save_small(image, page_folder / picture)


def save_small(image: Any, path: Path) -> None:
    """With as many colours, and after that as many pixels, as fit into ``BYTES``."""
    while True:
        for colours in (128, 64, 32, 16):
            image.quantize(colours).save(path, optimize=True)
            if path.stat().st_size <= BYTES:
                return
        image = image.resize((image.width * 3 // 4, image.height * 3 // 4))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("name", nargs="?", help="recipe whose pictures to take over")
    parser.add_argument("run_dir", nargs="?", type=Path, help="where they are")
    parser.add_argument("--check", action="store_true")
    args = parser.parse_args()
    if args.name:
        if args.run_dir is None or not (ROOT / "examples" / f"{args.name}.py").exists():
            parser.error(f"expected a recipe of examples/ and its run folder, got {args.name} {args.run_dir}")
        take_pictures(args.name, args.run_dir)
    wanted = pages()
    if args.check:
        stale = [path for path, text in wanted.items() if not path.exists() or path.read_text() != text]
        stale += [path for path in PAGES.glob("*.md") if path not in wanted]
        big = [path for path in PAGES.glob("*/*.png") if path.stat().st_size > BYTES]
        for path in stale:
            print(f"{path.relative_to(ROOT)} is stale: run python tools/recipes.py")
        for path in big:
            print(f"{path.relative_to(ROOT)} has more than {BYTES} bytes")
        sys.exit(bool(stale or big))
    PAGES.mkdir(parents=True, exist_ok=True)
    for path, text in wanted.items():
        path.write_text(text)


if __name__ == "__main__":
    main()
