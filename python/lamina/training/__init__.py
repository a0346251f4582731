"""What a training script has besides its data, its model and its loss.

A script reads its arguments, ``args = start(parser(...))``, makes data and model, and gives what changes to a ``Run``.
That counts and shows epochs and steps, writes metrics and checkpoints, stops at Ctrl-C, goes on with the same bits:

    run = Run(args, model=model, optimizer=optimizer, loader=loader)
    for epoch in run.epochs(args.epochs):
        for images, labels in run.steps(loader):
            ...
            run.log(len(labels), loss=loss.item())
        run.record(test_accuracy=accuracy(*predict(model, test_loader, args.device)))
    run.finish("trained")
"""

from .arguments import parser, positive, start
from .evaluate import accuracy, first, predict
from .images import DATASETS, load_images
from .loader import train_loader
from .run import Run

__all__ = [
    *("DATASETS", "Run", "accuracy", "first", "load_images"),
    *("parser", "positive", "predict", "start", "train_loader"),
]
