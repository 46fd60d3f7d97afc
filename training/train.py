# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Train the small network: one command, on two CPU cores or on one GPU.

    python -m training.train --pack ../shared/train --out RUN --minutes 100
    python -m training.train --pack ../shared/train --out RUN --minutes 100 --resume RUN/checkpoint.pt

The learning rate is even, and falls to 0 over the last fifth of each call (`--finish`), so every call ends with weights
that can ship and none needs to know how many will follow (A. Haegele et al., "Scaling laws and compute-optimal training
beyond fixed training durations", 2024). RUN gets checkpoint.pt every five minutes until the rate falls: the next call
goes on from there; finished.pt at the end; curve.png, curve.json, log.txt. Needs torch, numpy, Pillow and mahotas.
"""

import argparse
import json
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from training.augment import Sample, chosen, draw
from training.base import Base, Bases
from training.checkpoint import Run, begin, load, mean_network, save
from training.curve import draw_curve
from training.network import FINE, SHIPPED, count_parameters
from training.objects import Objects
from training.pack import Pack
from training.pool import Pool
from training.validate import ious

WARM_UP = 100  # steps
SHARPNESS = 8.0  # a value of 1 is a logit of this much in the loss on the sign
DISTANCE_WEIGHT = 0.3
MEAN_DECAY = 0.999
USES, APART = 3, 4  # a drawn sample serves so many steps, with new points each, so many steps apart


@dataclass(frozen=True)
class Plan:
    """What a run is told."""

    minutes: float  # of this call
    steps: int | None  # the run's, at which this call ends, instead of minutes: nothing then depends on the clock
    finish: float  # share of this call over which the learning rate falls to 0
    batch: int
    points: int  # a sample
    made_up: float  # share of made-up objects
    fresh: float  # new made-up objects a sample
    pool: int  # made-up objects at hand
    rate: float
    seed: int
    is_bf16: bool
    workers: int  # processes that work out hulls


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pack", type=Path, default=Path("../shared/train"))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=100, help="length of this call")
    parser.add_argument("--steps", type=int, help="the step of the run at which this call ends, instead of minutes")
    parser.add_argument("--finish", type=float, default=0.2, help="share of this call over which the rate falls to 0")
    parser.add_argument("--resume", type=Path, help="go on from this checkpoint")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--threads", type=int, help="CPU threads")
    parser.add_argument("--batch", type=int, help="default: 8, on a GPU 64")
    parser.add_argument("--points", type=int, default=4096)
    parser.add_argument("--made-up", type=float, default=0.4, help="share of made-up objects")
    parser.add_argument("--fresh", type=float, help="new made-up objects a sample; default: 0.4, on a GPU 1")
    parser.add_argument("--pool", type=int, help="made-up objects at hand; default: 768, on a GPU 4096")
    parser.add_argument("--rate", type=float, help="peak learning rate; default: 1e-3, on a GPU 2e-3")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--float32", action="store_true", help="no bfloat16: for CPUs without it")
    parser.add_argument("--fine", action="store_true", help="begin the network with maps twice as fine: needs a GPU")
    parser.add_argument("--workers", type=int, help="processes for hulls; default: none, on a GPU one a core")
    parser.add_argument("--limit", type=int, help="use so many objects of the pack, for a trial")
    parser.add_argument("--save-every", type=float, default=5, help="minutes")
    parser.add_argument("--score-every", type=float, help="minutes; default: 20, on a GPU 2; the end is scored too")
    parser.add_argument("--score-objects", type=int, default=24, help="validation objects; at the end all")
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    is_cuda = args.device == "cuda" or (args.device == "auto" and torch.cuda.is_available())
    device = torch.device("cuda" if is_cuda else "cpu")
    if args.resume is None and (args.out / "checkpoint.pt").exists():
        raise SystemExit(
            f"'{args.out}' holds a run: add --resume {args.out / 'checkpoint.pt'}, or choose another --out"
        )

    def either(given: float | None, gpu: float, cpu: float) -> float:
        return given if given is not None else gpu if is_cuda else cpu

    plan = Plan(
        args.minutes, args.steps, args.finish, int(either(args.batch, 64, 8)), args.points, args.made_up,
        either(args.fresh, 1, 0.4),
        int(either(args.pool, 4096, 768)), either(args.rate, 2e-3, 1e-3), args.seed, not args.float32,
        int(either(args.workers, os.cpu_count() or 1, 0)),
    )  # fmt: skip
    args.out.mkdir(parents=True, exist_ok=True)
    run = load(args.resume, device) if args.resume else begin(FINE if args.fine else SHIPPED, plan.seed, device)
    Trainer(plan, run, args.out, device, args.pack, args.limit).go(
        args.save_every, either(args.score_every, 2, 20), args.score_objects
    )
    return 0


class Trainer:
    """The loop: take objects, draw a sample, learn; now and then score and save."""

    def __init__(
        self, plan: Plan, run: Run, out: Path, device: torch.device, pack: Path, limit: int | None = None
    ) -> None:
        began = time.perf_counter()
        self.plan, self.run, self.out, self.device = plan, run, out, device
        self.pack = Pack(pack, "train", device, limit)
        self.validation = Pack(pack, "val", device, limit)
        self.data_share = 0.0  # of the time, until a sample is ready
        self.pool = Pool(plan.pool, plan.fresh, device)
        self.bases = Bases(plan.workers)
        self._drawn: dict[int, tuple[Sample, Callable[[], Base]]] = {}  # samples by number, their base maybe under way
        self._first, self._began, self._file = run.step, time.perf_counter(), "checkpoint.pt"
        self.log(
            f"{len(self.pack)} objects to learn from, {len(self.validation)} to score, read in "
            f"{time.perf_counter() - began:.0f} s; {count_parameters(run.network):,} parameters on {device}; {plan}"
        )

    def go(self, save_every: float, score_every: float, score_objects: int) -> None:
        """Until this call ends."""
        stopped: list[int] = []
        signal.signal(signal.SIGTERM, lambda number, frame: stopped.append(number))
        saved = scored = noted = self._began = time.perf_counter()
        losses: list[Tensor] = []
        if not self.run.history:
            self.score(score_objects)
        first, began = self.run.step, time.perf_counter()
        while not self.is_over() and not stopped:
            if self.left() <= self.plan.finish and self._file == "checkpoint.pt":
                self.save()
                self._file = "finished.pt"
            at = time.perf_counter()
            is_timed = self.run.step % 16 == 0  # waiting for the device to tell the time would slow it down
            loss = self.step(is_timed)
            now = time.perf_counter()
            self.run.seconds += now - at
            losses.append(loss)
            if now - noted > 30 or self.run.step - first == 20:
                speed = (self.run.step - first) / (now - began)
                mean = torch.stack(losses).mean().item()
                self.log(
                    f"step {self.run.step} {self.run.seconds / 60:.1f} min loss {mean:.4f} rate {self.rate():.1e} "
                    f"{speed:.2f} steps/s, data {self.data_share:.0%}"
                )
                self.run.history.append({"minutes": self.run.seconds / 60, "step": self.run.step, "loss": mean})
                noted, losses = now, []
            if now - saved > 60 * save_every:
                self.save()
                saved = now
            if now - scored > 60 * score_every:
                self.score(score_objects)
                scored = time.perf_counter()
        self.save()  # first of all: scoring takes a while
        self.score(None if self.is_over() else score_objects)
        self.save()

    def left(self) -> float:
        """The share of this call that is still to do."""
        if self.plan.steps is not None:
            return (self.plan.steps - self.run.step) / max(self.plan.steps - self._first, 1)
        return 1 - (time.perf_counter() - self._began) / (60 * self.plan.minutes)

    def is_over(self) -> bool:
        """Whether nothing is left to do."""
        return self.left() <= 0

    def rate(self) -> float:
        """The learning rate now: a short rise, an even stretch, a fall to 0."""
        rise, fall = (self.run.step + 1) / WARM_UP, self.left() / max(self.plan.finish, 1e-9)
        return self.plan.rate * max(min(rise, fall, 1.0), 0.0)

    def prepared(self, number: int) -> tuple[Sample, Callable[[], Base]]:
        """The sample of this number, which alone decides what it is, and its base, which may still be under way."""
        if number not in self._drawn:
            generator = torch.Generator().manual_seed(self.plan.seed * 1_000_003 + number)
            sample = draw(self.objects(number, generator), USES * self.plan.points, generator)
            self._drawn[number] = sample, cache(self.bases.start(sample.pictures, sample.points))
        return self._drawn[number]

    def objects(self, number: int, generator: torch.Generator) -> Objects:
        """The objects of a sample: some of the pack, some made up."""
        made = int((torch.rand(self.plan.batch, generator=generator) < self.plan.made_up).sum())
        parts = []
        if made < self.plan.batch:
            drawn = torch.multinomial(self.pack.weight, self.plan.batch - made, True, generator=generator)
            parts.append(self.pack.take(drawn))
        if made:
            parts.append(self.pool.take(number, made, generator))
        return Objects.joined(parts)

    def step(self, is_timed: bool) -> Tensor:
        """One step; its loss."""
        run, began = self.run, time.perf_counter()
        number, use = sample_of(run.step)
        sample, wait = self.prepared(number)
        base = wait()
        if use == USES - 1:
            del self._drawn[number]
        if self.plan.workers:
            self.prepared(sample_of(run.step + 1)[0])
        pick = chosen(base.points[:, use::USES], self.plan.points) * USES + use
        rows = torch.arange(len(pick), device=self.device)[:, None]
        points, truth, hull = (values[rows, pick] for values in (sample.points, sample.value, base.points))
        if is_timed and self.device.type == "cuda":
            torch.cuda.synchronize()
        prepared = time.perf_counter() - began
        for group in run.optimizer.param_groups:
            group["lr"] = self.rate()
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.plan.is_bf16):
            value = run.network.value(run.network.encode(sample.pictures, base.volume), points, hull)
        loss = distance_loss(value, truth)
        run.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(run.network.parameters(), 1.0)
        run.optimizer.step()
        run.step += 1
        decay = min(MEAN_DECAY, (1 + run.step) / (10 + run.step))
        now = run.network.state_dict()
        torch._foreach_lerp_(list(run.mean.values()), [now[k] for k in run.mean], 1 - decay)
        if is_timed:
            if self.device.type == "cuda":
                torch.cuda.synchronize()
            share = prepared / (time.perf_counter() - began)
            self.data_share = 0.8 * self.data_share + 0.2 * share if self.data_share else share
        return loss.detach()

    def score(self, count: int | None) -> None:
        """IoU of the mean network on `count` validation objects, evenly chosen; None: all."""
        began, total = time.perf_counter(), len(self.validation)
        index = torch.linspace(0, total - 1, min(count or total, total)).long()
        found = ious(mean_network(self.run, self.device), self.validation.take(index))
        row = {"minutes": self.run.seconds / 60, "step": self.run.step, "objects": len(index), "iou": found}
        self.run.history.append(row)
        words = "  ".join(f"{name} {value:.4f}" for name, value in found.items())
        self.log(
            f"step {self.run.step} IoU by views, {len(index)} objects: {words}  ({time.perf_counter() - began:.0f} s)"
        )

    def save(self) -> None:
        """Checkpoint and curve."""
        save(self.run, self.out / self._file)
        draw_curve(self.run.history, self.out / "curve.png")
        (self.out / "curve.json").write_text(json.dumps(self.run.history, indent=0))

    def log(self, text: str) -> None:
        """On the screen and in log.txt."""
        print(text, flush=True)
        with open(self.out / "log.txt", "a", encoding="utf-8") as file:
            file.write(text + "\n")


def sample_of(step: int) -> tuple[int, int]:
    """Which sample a step learns from, and for which time: one in APART steps comes back APART steps later."""
    block, at = divmod(step, USES * APART)
    return block * APART + at % APART, at // APART


def distance_loss(value: Tensor, truth: Tensor) -> Tensor:
    """How wrong `value` is, in distance and in sign; `truth (b, n)` is cut at +-1."""
    sign = F.binary_cross_entropy_with_logits(value * SHARPNESS, (truth > 0).to(value.dtype))
    return sign + DISTANCE_WEIGHT * (value - truth).abs().mean()


if __name__ == "__main__":
    raise SystemExit(main())
