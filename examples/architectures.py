"""The numbers of the course notes: output sizes, parameters and memory of AlexNet, VGG-16, GoogLeNet and ResNet.

    python examples/architectures.py                  # the tables and the comparison
    python examples/architectures.py --network vgg16  # one table

Each table has a row a layer, as the notes write it: the output's size, how many values that is (memory of the forward
pass), the weights and the multiply-adds. Nothing is looked up: lamina.summary runs the network on an image of zeros and
counts. The run folder gets vgg16.png: where memory, work and parameters lie. Nothing is trained, so that there is
nothing to stop and resume.

Result: the notes' figures. AlexNet 62.4 M parameters without and 61.0 M with its two halves (the groups), VGG-16
138,357,544 of which three quarters lie in the first linear layer, most memory in the first two convolutions;
GoogLeNet 6.6 M; ResNet-50 25.6 M. The notes' column of VGG-16's memory adds up to 15.2 M values (61 MB an image), not
to the 24 M written under it.

Time: 2 seconds.

Source: CS231n, "Convolutional networks", https://cs231n.github.io/convolutional-networks/ (layer sizes, case studies);
the papers are named in lamina.models.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import lamina
from lamina import models, nn, training
from lamina.viz.figure import finish, new_figure


def output_size(size: int, kernel: int, stride: int = 1, padding: int = 0) -> int:
    """The notes' formula (W - F + 2P) / S + 1; where the kernel doesn't fit evenly, the rest is left out."""
    return (size - kernel + 2 * padding) // stride + 1


def alexnet_of_the_notes(groups: int = 1) -> nn.Sequential:
    """The network of the paper's figure 2 on 227×227 pixels; ``groups=2``: as it was cut over two GPUs.

    ``lamina.models.alexnet`` is torchvision's, which is narrower and pads its first layer.
    """
    side = output_size(227, kernel=11, stride=4)  # 55
    for _ in range(3):  # the poolings: 27, 13, 6; the other convolutions keep the size
        side = output_size(side, kernel=3, stride=2)
    return nn.Sequential(
        *(nn.Conv2d(3, 96, 11, stride=4), nn.ReLU(inplace=True), nn.MaxPool2d(3, stride=2)),
        *(nn.Conv2d(96, 256, 5, padding=2, groups=groups), nn.ReLU(inplace=True), nn.MaxPool2d(3, stride=2)),
        *(nn.Conv2d(256, 384, 3, padding=1), nn.ReLU(inplace=True)),
        *(nn.Conv2d(384, 384, 3, padding=1, groups=groups), nn.ReLU(inplace=True)),
        *(nn.Conv2d(384, 256, 3, padding=1, groups=groups), nn.ReLU(inplace=True)),
        *(nn.MaxPool2d(3, stride=2), nn.Flatten()),
        *(nn.Linear(256 * side * side, 4096), nn.ReLU(inplace=True)),
        *(nn.Linear(4096, 4096), nn.ReLU(inplace=True), nn.Linear(4096, 1000)),
    )


# What makes the network, and the side of its images. GoogLeNet without the auxiliary classifiers, which only train it.
NETWORKS: dict[str, tuple[Callable[[], nn.Module], int]] = {
    "alexnet": (alexnet_of_the_notes, 227),
    "alexnet-2-gpus": (lambda: alexnet_of_the_notes(groups=2), 227),
    "vgg16": (models.vgg16, 224),
    "googlenet": (lambda: models.googlenet(aux_logits=False), 224),
    "resnet18": (models.resnet18, 224),
    "resnet50": (models.resnet50, 224),
    "resnet152": (models.resnet152, 224),
}


def measure(name: str, device: str = "cpu") -> lamina.Summary:
    make, side = NETWORKS[name]
    return lamina.summary(make().to(device), (1, 3, side, side))


def rows_of_the_notes(table: lamina.Summary) -> list[lamina.Layer]:
    """The layers that the notes list: convolutions, poolings and linear layers."""
    return [layer for layer in table.layers if "Conv" in layer.kind or layer.kind in ("MaxPool2d", "Linear")]


def values(layer: lamina.Layer) -> int:
    """Numbers in its output, all float32."""
    return layer.memory // 4


def text_table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """Columns of even width; the first is to the left, the others to the right."""
    lines = [head, *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]) for line in lines
    )


def table_of_the_notes(name: str, table: lamina.Summary) -> str:
    side = NETWORKS[name][1]
    rows = [("INPUT", f"{side}x{side}x3", f"{3 * side * side:,}", "0", "0")]
    for layer in rows_of_the_notes(table):
        channels, *sides = layer.outputs[0][1:]
        shape = "x".join(map(str, (*sides, channels)))
        label = f"{layer.kind} {layer.name}"
        rows.append((label, shape, f"{values(layer):,}", f"{layer.parameters:,}", f"{layer.multiply_adds:,}"))
    return text_table((name, "output", "values", "parameters", "multiply-adds"), rows)


def comparison(tables: dict[str, lamina.Summary]) -> str:
    rows = []
    for name, table in tables.items():
        layers = rows_of_the_notes(table)
        linear = sum(layer.parameters for layer in layers if layer.kind == "Linear")
        kept = sum(map(values, layers))
        rows.append(
            (
                name,
                f"{table.parameters:,}",
                f"{linear / table.parameters:.0%}",
                f"{table.multiply_adds / 1e9:.2f} G",
                f"{kept / 1e6:.1f} M",
                f"{4 * kept / 1e6:.0f} MB",
            )
        )
    head = ("network", "parameters", "in linear layers", "multiply-adds", "values kept", "forward memory")
    return text_table(head, rows)


def draw(table: lamina.Summary, path: Path) -> None:
    """Shares of the whole by layer: memory lies at the start, parameters at the end."""
    layers = rows_of_the_notes(table)
    quantities = {
        "values of the forward pass": list(map(values, layers)),
        "multiply-adds": [layer.multiply_adds for layer in layers],
        "parameters": [layer.parameters for layer in layers],
    }
    figure = new_figure(12, 4.5)
    for axes, (title, counts) in zip(figure.subplots(1, 3, sharey=True), quantities.items(), strict=True):
        axes.barh(range(len(counts)), [100 * count / sum(counts) for count in counts])
        axes.set_yticks(range(len(counts)), [layer.name for layer in layers], fontsize=7)
        axes.set(title=title, xlabel="% of the network")
    axes.invert_yaxis()
    finish(figure, path)


def main(argv: Sequence[str] | None = None) -> dict[str, lamina.Summary]:
    parser = training.parser(__doc__, "runs/architectures")
    parser.add_argument("--network", choices=NETWORKS, nargs="+", default=["alexnet", "vgg16"])
    args = training.start(parser, argv)
    from tqdm import tqdm

    tables = {}
    for name in tqdm(NETWORKS, unit=" networks", leave=False):
        tables[name] = measure(name, args.device)
        if name in args.network:
            tqdm.write(f"{table_of_the_notes(name, tables[name])}\n")
    print(comparison(tables))
    args.run_dir.mkdir(parents=True, exist_ok=True)
    draw(tables["vgg16"], args.run_dir / "vgg16.png")
    print(f"\nsee {args.run_dir / 'vgg16.png'}")
    return tables


if __name__ == "__main__":
    main()
