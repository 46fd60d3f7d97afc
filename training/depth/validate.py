# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""How good a checkpoint of the depth network is on objects it never saw, beside the hull, by kind and by views.

    python -m training.depth.validate out/depth/finished.pt --data out/depth/data

Owns      the tables. Not here: the measure (`score`).
"""

import argparse
from pathlib import Path

import torch

from training.depth.checkpoint import load, mean_network
from training.depth.score import Scorer, table, words
from training.depth.store import Store

SETS = {"4": (1, 1, 1, 1), "3": (1, 1, 1, 0), "2": (1, 1, 0, 0), "1": (1, 0, 0, 0)}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="prepared objects: data in the run's folder")
    parser.add_argument("--objects", type=int, help="only the first ones")
    args = parser.parse_args()
    torch.set_num_threads(1)
    device = torch.device("cpu")
    run = load(args.checkpoint, device)
    network, store = mean_network(run, device), Store(args.data / "val")
    print(f"step {run.step}, {run.samples} samples")
    for name, given in SETS.items():
        scorer = Scorer(store, args.objects, device, given)
        hull, found = scorer.hull(), scorer.network(network, is_bf16=False)
        print(f"views {name}: hull {words(hull['all'])}; network {words(found['all'])}")
        if name == "4":
            print(table({"hull": hull, "network": found}))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
