# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Weights come to the device while they are needed and leave it afterwards.

Owns      moving the tensors of modules for a call or for a block of code; two slots in which blocks take turns
          (`Relay`).
Not here  which weights move, and how much memory that takes (`memory`).
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor, nn

ALIGNMENT = 256  # bytes, of the tensors in a slot
Owned = tuple[nn.Module, str, Tensor]  # a tensor, the module that owns it, and its name there


class Relay:
    """Blocks take turns in two slots of the device's memory: while one computes, the next one's weights arrive.

    The order is that of `blocks`, repeated; a block that is called out of turn waits for its weights. For CUDA, the
    weights in the host's memory are pinned, so that they are copied during the computation.
    """

    def __init__(self, blocks: Sequence[nn.Module], guests: Sequence[nn.Module], device: torch.device) -> None:
        self.blocks, self.device = blocks, device
        parts = [without(block, guests) for block in blocks]
        self.copying = torch.cuda.Stream(device) if device.type == "cuda" else None
        if self.copying is not None:
            for part, name, tensor in owned([part for block in parts for part in block]):
                if not tensor.is_pinned():
                    _bring([(part, name, tensor.pin_memory())])
        self.homes = [owned(block) for block in parts]
        size = max((sum(_padded(tensor.nbytes) for _, _, tensor in home) for home in self.homes), default=0)
        self.slots = [torch.empty(size, dtype=torch.uint8, device=device) for _ in range(2)]
        self.slot, self.awaited = 0, -1  # slot of the next block, and its number

    @contextmanager
    def running(self) -> Iterator[None]:
        """Within the block, the blocks can be called on the device."""
        hooks = []
        for number, block in enumerate(self.blocks):
            hooks.append(block.register_forward_pre_hook(partial(self._enter, number)))
            hooks.append(block.register_forward_hook(partial(self._leave, number)))
        self._meet()
        try:
            yield
        finally:
            self._meet()
            for hook in hooks:
                hook.remove()
            for home in self.homes:
                _bring(home)

    def _enter(self, number: int, *_: object) -> None:
        if self.awaited != number:
            self._send_for(number)
        self._meet()
        _bring(self._places(number))
        self.slot = 1 - self.slot
        self._send_for((number + 1) % len(self.blocks))

    def _leave(self, number: int, *_: object) -> None:
        _bring(self.homes[number])

    def _send_for(self, number: int) -> None:
        """Start copying the weights of a block into the next slot."""
        self.awaited = number
        with torch.cuda.stream(self.copying):  # None: does nothing
            for (_, _, place), (_, _, home) in zip(self._places(number), self.homes[number], strict=True):
                place.copy_(home.detach(), non_blocking=True)

    def _places(self, number: int) -> list[Owned]:
        """The tensors of a block in the next slot."""
        places, start = [], 0
        for part, name, home in self.homes[number]:
            place = self.slots[self.slot][start : start + home.nbytes].view(home.dtype).view(home.shape)
            places.append((part, name, place))
            start += _padded(home.nbytes)
        return places

    def _meet(self) -> None:
        """Make copying and computing wait for what the other has queued so far."""
        if self.copying is not None:
            computing = torch.cuda.current_stream(self.device)
            computing.wait_stream(self.copying)
            self.copying.wait_stream(computing)


@contextmanager
def at_call(module: nn.Module, device: torch.device) -> Iterator[None]:
    """Within the block `module` is on `device` while it is called, and only then."""
    home = owned([module])
    enter = module.register_forward_pre_hook(lambda *_: _bring(_sent(home, device)))
    leave = module.register_forward_hook(lambda *_: _bring(home))
    try:
        yield
    finally:
        enter.remove()
        leave.remove()
        _bring(home)


@contextmanager
def visiting(modules: Sequence[nn.Module], device: torch.device) -> Iterator[None]:
    """Within the block the tensors that `modules` themselves own are on `device`."""
    home = owned(modules)
    try:
        _bring(_sent(home, device))
        yield
    finally:
        _bring(home)


def modulations_of(module: nn.Module) -> list[nn.Linear]:
    parts = module.named_modules()
    return [part for name, part in parts if name.endswith("modulation") and isinstance(part, nn.Linear)]


def blocks_of(module: nn.Module) -> list[nn.Module]:
    """Those of every list of blocks, in the order in which they run."""
    return [block for part in module.modules() if isinstance(part, nn.ModuleList) for block in part]


def without(module: nn.Module, others: Sequence[nn.Module]) -> list[nn.Module]:
    """`module` and its parts that are not parts of `others`."""
    left_out = {id(part) for other in others for part in other.modules()}
    return [part for part in module.modules() if id(part) not in left_out]


def owned(modules: Sequence[nn.Module]) -> list[Owned]:
    """The tensors that these modules themselves own."""
    return [
        (module, name, tensor)
        for module in modules
        for name, tensor in [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]
    ]


def _sent(home: Sequence[Owned], device: torch.device) -> list[Owned]:
    """Copies of the tensors on `device`."""
    return [(module, name, tensor.to(device, non_blocking=True)) for module, name, tensor in home]


def _bring(tensors: Sequence[Owned]) -> None:
    """Put the tensors into their modules."""
    for module, name, tensor in tensors:
        if isinstance(getattr(module, name), nn.Parameter) and not isinstance(tensor, nn.Parameter):
            tensor = nn.Parameter(tensor, requires_grad=False)
        setattr(module, name, tensor)


def bytes_of(tensors: Sequence[Owned], dtype: torch.dtype) -> int:
    """The bytes of `tensors` once floating ones are of `dtype`."""
    return sum(
        tensor.numel() * (dtype if tensor.is_floating_point() else tensor.dtype).itemsize for _, _, tensor in tensors
    )


def _padded(size: int) -> int:
    """`size`, bytes, rounded up to where the next tensor may begin."""
    return -(-size // ALIGNMENT) * ALIGNMENT
