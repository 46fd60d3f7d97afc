# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Train the depth network: one command, on one CPU core or on one GPU.

    python -m training.depth.train --pack ../shared/train --out out/depth --minutes 100
    python -m training.depth.train --pack ../shared/train --out out/depth --minutes 100 --resume

The learning rate is even, and falls to 0 over the last part of each call (`--finish`), so each call ends with weights
that can ship, and none needs to know how many will follow. The out folder gets checkpoint.pt every five minutes and on
SIGTERM, from before the fall; finished.pt at the end; log.txt, curve.json; and data/, prepared once: the pack and the
made-up shapes (`training.depth.store`), which a process beside this one goes on making up (`--makers`).
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from training.depth.checkpoint import Run, begin, load, mean_network, save
from training.depth.hulls import Hulls
from training.depth.loss import depth_loss
from training.depth.network import NetworkParams, count_parameters
from training.depth.sample import Sample, draw
from training.depth.score import Scorer, table, words
from training.depth.store import Store, make_up, prepare_pack
from training.pack import SHARES

WARM_UP = 100  # steps
MEAN_DECAY = 0.999


@dataclass(frozen=True)
class Plan:
    """What a call is told."""

    minutes: float
    steps: int | None  # the run's, at which this call ends, instead of minutes: nothing then depends on the clock
    finish: float  # share of this call over which the learning rate falls to 0
    batch: int
    made_up: float  # share of made-up shapes
    rate: float
    seed: int
    is_bf16: bool
    workers: int  # processes that work out hulls


def main() -> int:
    args = _arguments()
    if args.threads:
        torch.set_num_threads(args.threads)
    is_cuda = args.device == "cuda" or (args.device == "auto" and torch.cuda.is_available())
    device = torch.device("cuda" if is_cuda else "cpu")
    checkpoint = args.out / "checkpoint.pt"
    if checkpoint.exists() and not args.resume:
        raise SystemExit(f"'{args.out}' holds a run: add --resume, or choose another --out")

    def either(given: float | None, gpu: float, cpu: float) -> float:
        return given if given is not None else gpu if is_cuda else cpu

    plan = Plan(
        args.minutes, args.steps, args.finish, int(either(args.batch, 64, 8)), args.made_up,
        either(args.rate, 2e-3, 1e-3), args.seed, is_cuda or _has_fast_bf16(),
        int(either(args.workers, os.cpu_count() or 1, 0)),
    )  # fmt: skip
    data = args.data or args.out / "data"
    stores = [prepare_pack(args.pack, split, data / split, args.limit) for split in ("train", "val")]
    made = make_up(data / "made-up", args.room, min(args.batch or 64, args.room))
    maker = _maker(data, args.room) if args.makers else None
    run = load(checkpoint, device) if args.resume and checkpoint.exists() else begin(NetworkParams(), plan.seed, device)
    try:
        trainer = Trainer(plan, run, args.out, device, stores[0], made, stores[1])
        trainer.go(args.save_every, either(args.score_every, 2, 20), args.score_objects)
    finally:
        if maker:
            maker.terminate()
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pack", type=Path, default=Path("../shared/train"))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--data", type=Path, help="prepared objects; default: data in the out folder")
    parser.add_argument("--minutes", type=float, default=100, help="length of this call")
    parser.add_argument("--steps", type=int, help="the step of the run at which this call ends, instead of minutes")
    parser.add_argument("--finish", type=float, default=0.2, help="share of this call over which the rate falls to 0")
    parser.add_argument("--resume", action="store_true", help="go on from checkpoint.pt in the out folder")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads")
    parser.add_argument("--batch", type=int, help="default: 8, on a GPU 64")
    parser.add_argument("--made-up", type=float, default=0.4, help="share of made-up shapes")
    parser.add_argument("--room", type=int, default=6000, help="room for so many made-up shapes")
    parser.add_argument("--makers", type=int, default=1, help="1: a process goes on making them up; 0: none")
    parser.add_argument("--rate", type=float, help="peak learning rate; default: 1e-3, on a GPU 2e-3")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, help="processes for hulls; default: none, on a GPU one a core")
    parser.add_argument("--limit", type=int, help="use so many objects of the pack, for a trial")
    parser.add_argument("--save-every", type=float, default=5, help="minutes")
    parser.add_argument("--score-every", type=float, help="minutes; default: 20, on a GPU 2; the end is scored too")
    parser.add_argument("--score-objects", type=int, default=24, help="validation objects; at the end all")
    return parser.parse_args()


def _has_fast_bf16() -> bool:
    """Whether this CPU multiplies bfloat16 itself; elsewhere it is eight times slower than float32."""
    cpuinfo = Path("/proc/cpuinfo")
    return cpuinfo.is_file() and any(word in cpuinfo.read_text() for word in ("avx512_bf16", "amx_bf16"))


def _maker(data: Path, room: int) -> "subprocess.Popen[bytes]":
    """The process that goes on making shapes up, where a core is idle."""
    command = [sys.executable, "-m", "training.depth.store", "--made-up", str(room), "--out", str(data)]
    maker = subprocess.Popen(command)
    os.sched_setscheduler(maker.pid, os.SCHED_IDLE, os.sched_param(0))
    return maker


class Trainer:
    """The loop: draw a sample, learn; now and then score and save."""

    def __init__(
        self, plan: Plan, run: Run, out: Path, device: torch.device, pack: Store, made: Store, validation: Store
    ) -> None:
        self.plan, self.run, self.out, self.device = plan, run, out, device
        self.pack, self.made, self.validation = pack, made, validation
        kinds = pack.words()["categories"]
        self.weight = torch.tensor([SHARES[kind] / kinds.count(kind) for kind in kinds])
        self.hulls = Hulls(plan.workers)
        self.data_share = 0.0  # of the time, until a sample is ready
        self._ahead: dict[int, tuple[Sample, Callable[[], Tensor]]] = {}  # samples by step, their hulls under way
        self._scorers: dict[int | None, Scorer] = {}
        self._first, self._began, self._file = run.step, time.perf_counter(), "checkpoint.pt"
        out.mkdir(parents=True, exist_ok=True)
        self.log(
            f"{len(pack)} objects to learn from, {len(made)} made up so far, {len(validation)} to score; "
            f"{count_parameters(run.network):,} parameters on {device}; {plan}"
        )

    def go(self, save_every: float, score_every: float, score_objects: int) -> None:
        """Until this call ends."""
        stopped: list[int] = []
        signal.signal(signal.SIGTERM, lambda number, frame: stopped.append(number))
        if not self.run.history:
            self.score(score_objects)
        saved = scored = noted = self._began = time.perf_counter()
        first, began = self.run.step, time.perf_counter()
        losses: list[Tensor] = []
        while self.left() > 0 and not stopped:
            if self.left() <= self.plan.finish and self._file == "checkpoint.pt":
                self.save()
                self._file = "finished.pt"
            at = time.perf_counter()
            losses.append(self.step())
            now = time.perf_counter()
            self.run.seconds += now - at
            if now - noted > 60 or self.run.step - first == 10:
                self.note(torch.stack(losses).mean().item(), (self.run.step - first) / (now - began))
                noted, losses = now, []
            if now - saved > 60 * save_every:
                self.save()
                saved = now
            if now - scored > 60 * score_every:
                self.score(score_objects)
                scored = time.perf_counter()
        self.save()  # first of all: scoring takes a while
        if not stopped:
            self.score(None)
            self.save()
        self.hulls.close()

    def left(self) -> float:
        """The share of this call that is still to do."""
        if self.plan.steps is not None:
            return (self.plan.steps - self.run.step) / max(self.plan.steps - self._first, 1)
        return 1 - (time.perf_counter() - self._began) / (60 * self.plan.minutes)

    def rate(self) -> float:
        """The learning rate now: a short rise, an even stretch, a fall to 0."""
        rise, fall = (self.run.step + 1) / WARM_UP, self.left() / max(self.plan.finish, 1e-9)
        return self.plan.rate * max(min(rise, fall, 1.0), 0.0)

    def prepared(self, step: int) -> tuple[Sample, Callable[[], Tensor]]:
        """What a step learns from; its number alone, and how many shapes were made up by then, decide what it is."""
        if step not in self._ahead:
            generator = torch.Generator().manual_seed(self.plan.seed * 1_000_003 + step)
            sample = draw(self.objects(generator), generator)
            self._ahead[step] = sample, self.hulls.start(sample.pictures)
        return self._ahead[step]

    def objects(self, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """The objects of a step: some of the pack, some made up."""
        made = int((torch.rand(self.plan.batch, generator=generator) < self.plan.made_up).sum())
        kept = torch.multinomial(self.weight, max(self.plan.batch - made, 1), True, generator=generator)
        drawn = torch.randint(len(self.made), (made,), generator=generator)
        parts = [self.pack.take(kept[: self.plan.batch - made].tolist()), self.made.take(drawn.tolist())]
        pictures, first, half = (torch.cat(both).to(self.device) for both in zip(*parts, strict=True))
        return pictures, first, half

    def step(self) -> Tensor:
        """One step; its loss."""
        run, began = self.run, time.perf_counter()
        sample, wait = self.prepared(run.step)
        del self._ahead[run.step]
        if self.plan.workers:
            for ahead in (1, 2):
                self.prepared(run.step + ahead)
        hull = wait()
        ready = time.perf_counter() - began
        for group in run.optimizer.param_groups:
            group["lr"] = self.rate()
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.plan.is_bf16):
            found = run.network(sample.pictures, hull)
        loss = depth_loss(found, sample.depth)
        run.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(run.network.parameters(), 1.0)
        run.optimizer.step()
        run.step, run.samples = run.step + 1, run.samples + len(hull)
        decay = min(MEAN_DECAY, (1 + run.step) / (10 + run.step))
        now = run.network.state_dict()
        torch._foreach_lerp_(list(run.mean.values()), [now[k] for k in run.mean], 1 - decay)
        share = ready / (time.perf_counter() - began)
        self.data_share += 0.05 * (share - self.data_share)
        return loss.detach()

    def note(self, loss: float, speed: float) -> None:
        """A line of the log and a row of the curve."""
        run = self.run
        self.log(
            f"step {run.step} {run.samples} samples {run.seconds / 60:.1f} min loss {loss:.4f} rate {self.rate():.1e} "
            f"{speed:.2f} steps/s, data {self.data_share:.0%}, {len(self.made)} made up"
        )
        run.history.append({"minutes": run.seconds / 60, "step": run.step, "samples": run.samples, "loss": loss})

    def score(self, count: int | None) -> None:
        """The mean network on the first `count` validation objects, None: all, beside the hull."""
        run, began = self.run, time.perf_counter()
        if count not in self._scorers:
            self._scorers[count] = Scorer(self.validation, count, self.device)
        scorer = self._scorers[count]
        hull = scorer.hull()
        found = scorer.network(mean_network(run, self.device), self.plan.is_bf16)
        run.history.append(
            {"minutes": run.seconds / 60, "step": run.step, "samples": run.samples, "objects": len(scorer.kinds),
             "depth": found, "hull": hull["all"]}
        )  # fmt: skip
        self.log(
            f"step {run.step} {run.samples} samples, {len(scorer.kinds)} objects: {words(found['all'])}; "
            f"hull: {words(hull['all'])}  ({time.perf_counter() - began:.0f} s)\n"
            + table({"hull": hull, "network": found})
        )

    def save(self) -> None:
        """Checkpoint and curve."""
        save(self.run, self.out / self._file)
        (self.out / "curve.json").write_text(json.dumps(self.run.history, indent=0))

    def log(self, text: str) -> None:
        """On the screen and in log.txt."""
        print(text, flush=True)
        with open(self.out / "log.txt", "a", encoding="utf-8") as file:
            file.write(text + "\n")


if __name__ == "__main__":
    raise SystemExit(main())
