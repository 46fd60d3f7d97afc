# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
import dataclasses
from functools import lru_cache

import pytest
import torch
from shape.hunyuan2mv.live import live_bytes
from shape.hunyuan2mv.networks import OFFICIAL, SMALL, network

from fourview.errors import MemoryShortError, RecipeError
from fourview.shape.hunyuan2mv.checkpoint import Network
from fourview.shape.hunyuan2mv.int8 import quantize
from fourview.shape.hunyuan2mv.memory import (
    PLANS,
    Halving,
    Plan,
    Work,
    choose,
    encode,
    free_bytes,
    predict,
    rows_bytes,
    weight_bytes,
)
from fourview.shape.hunyuan2mv.placement import Relay

GIB = 2**30
CPU, META, CUDA = (torch.device(name) for name in ("cpu", "meta", "cuda:0"))
FOUR_VIEWS = Work(views=4, steps=50, octree_resolution=256)


def plan(name: str, device: torch.device = CPU, views_a_pass: int = 4, points_a_pass: int = 4096) -> Plan:
    return Plan(name, device, 0, None, views_a_pass, points_a_pass)


@lru_cache
def official() -> Network:
    return network(OFFICIAL, "meta")


def needs(device: torch.device) -> list[int]:
    return [predict(name, official(), FOUR_VIEWS, device, torch.float16).need for name in PLANS]


def test_the_weights_are_counted_to_the_byte():

    assert weight_bytes(official().transformer, torch.float16) == 2 * 1_113_274_432
    assert weight_bytes(official().conditioner, torch.float16) == 2 * 1_136_480_768
    assert weight_bytes(official().vae, torch.float32) == 4 * 214_212_865


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
@pytest.mark.parametrize(("shrink", "ratio"), [(1, 4), (2, 1)], ids=["vae", "turbo_vae"])
@torch.inference_mode()
def test_the_rows_of_each_stage_are_predicted_within_a_tenth(dtype, shrink, ratio):
    vae = dataclasses.replace(
        SMALL.vae,
        num_latents=256,
        geo_decoder_downsample_ratio=shrink,
        geo_decoder_mlp_expand_ratio=ratio,
        geo_decoder_ln_post=shrink == 1,
    )
    dino = dataclasses.replace(SMALL.dino, hidden_size=256)  # rows that outweigh the pictures
    transformer = dataclasses.replace(SMALL.transformer, context_in_dim=256)
    small = network(dataclasses.replace(SMALL, dino=dino, transformer=transformer, vae=vae), dtype=dtype)
    latents = torch.zeros(1, 256, 16, dtype=dtype)
    pictures = torch.zeros(1, 4, 3, 70, 70)
    context = small.conditioner(pictures, [range(4)])

    def denoise() -> None:
        table = small.transformer.modulations(torch.linspace(0, 1, 8))
        small.transformer.velocity(latents, small.transformer.condition(context), table[:1])

    tokens = small.vae.tokens(latents)
    memory = small.vae.points.memory(tokens)
    measured = {
        "encode": live_bytes(lambda: small.conditioner(pictures, [range(4)])) + pictures.nbytes,
        "denoise": live_bytes(denoise) + context.nbytes,
        "tokens": live_bytes(lambda: small.vae.tokens(latents)),
        "decode": live_bytes(lambda: small.vae.points(torch.zeros(1, 4096, 3), memory))
        + memory.keys.nbytes + memory.values.nbytes,
    }  # fmt: skip

    predicted = rows_bytes(small, Work(4, 8, octree_resolution=0), plan("full"), dtype)

    for stage, size in measured.items():
        assert predicted[stage] == pytest.approx(size, rel=0.1), stage


def test_each_plan_needs_less_than_the_one_before():
    full, offload, low = needs(CUDA)

    assert 5 * GIB < full < 6.5 * GIB
    assert 2 * GIB < offload < 3 * GIB
    assert low < 0.7 * GIB


def test_on_a_cpu_no_plan_saves_weights_because_they_lie_there_anyway():
    assert min(needs(CPU)) > 2 * (1_113_274_432 + 1_136_480_768 + 214_212_865)


def test_the_first_plan_that_fits_is_chosen_with_a_tenth_to_spare():

    for need, name, next_name in zip(needs(CUDA)[:-1], PLANS, PLANS[1:], strict=False):
        for free, expected in ((int(1.101 * need), name), (int(1.099 * need), next_name)):
            assert choose("auto", official(), FOUR_VIEWS, CUDA, torch.float16, free).name == expected


def test_a_plan_says_in_words_what_it_needs_and_what_is_free():
    chosen = choose("auto", official(), FOUR_VIEWS, CUDA, torch.float16, 71 * GIB)

    assert str(chosen) == f"full: needs {chosen.need / GIB:.1f} GiB, 71.0 GiB free on cuda:0"


@pytest.mark.parametrize("wish", ["auto", *PLANS])
def test_where_nothing_fits_the_error_says_need_have_and_cure(wish):
    with pytest.raises(MemoryShortError, match=r"needs \d\.\d GiB, 0\.2 GiB free on cuda:0.*take a smaller plan"):
        choose(wish, official(), FOUR_VIEWS, CUDA, torch.float16, GIB // 5)


def test_a_plan_of_another_name_is_refused():
    with pytest.raises(RecipeError, match="'half'; it takes one of full, offload, low"):
        choose("half", network(SMALL, "meta"), FOUR_VIEWS, CPU, torch.float32, None)


def test_where_nobody_knows_what_is_free_everything_stays():
    assert choose("auto", network(SMALL, "meta"), FOUR_VIEWS, CPU, torch.float32, None).name == "full"


def test_the_free_memory_of_this_machine_is_a_sane_number():
    assert 2**20 < free_bytes(CPU) < 2**50


@pytest.mark.parametrize("name", ["offload", "low"])
def test_weights_are_on_the_device_only_while_they_are_used(name):
    """The meta device stands for the GPU: what computes there has no numbers, but a place."""
    transformer = network(SMALL).transformer
    before = dict(transformer.named_parameters())
    blocks = [*transformer.double_blocks, *transformer.single_blocks]
    seen = []

    def look(module: torch.nn.Module, *_: object) -> None:
        seen.append((module, {part for part in blocks if part_device(part) == META}))

    def part_device(block: torch.nn.Module) -> torch.device:
        return next(p.device for n, p in block.named_parameters() if "modulation" not in n)

    with plan(name, META).on_device(transformer):
        for module in transformer.modules():
            module.register_forward_pre_hook(look)
        table = transformer.modulations(torch.zeros(1, device=META))
        assert {p.device for n, p in transformer.named_parameters() if "modulation" in n} == {CPU}
        condition = transformer.condition(torch.zeros(1, 5, 128, device=META))
        velocity = transformer.velocity(torch.zeros(1, 96, 16, device=META), condition, table)

    assert velocity.device == META
    assert all(p is before[n] for n, p in transformer.named_parameters())
    for block in blocks:
        (there,) = (there for module, there in seen if module is block)
        assert there == (set(blocks) if name == "offload" else {block})


def test_of_a_vae_that_has_left_the_points_can_still_be_asked():
    small = network(SMALL)
    offload = plan("offload", META)

    offload.settle(small)
    with offload.on_device(small.vae):
        memory = small.vae.points.memory(small.vae.tokens(torch.zeros(1, 96, 16, device=META)))
    values = small.vae.points(torch.zeros(1, 10, 3, device=META), memory)

    assert values.device == META
    assert {p.device for p in small.vae.blocks.parameters()} == {CPU}


@pytest.mark.parametrize("bits", [8, 32])
@torch.inference_mode()
def test_blocks_that_take_turns_give_the_same_to_the_last_bit(bits):
    """Five blocks in two slots, the order over and over, and out of it."""
    transformer = network(SMALL).transformer
    if bits == 8:
        quantize(transformer, CPU)
    latents, context = torch.randn(1, 96, 16), torch.randn(1, 5, 128)
    blocks = [*transformer.double_blocks, *transformer.single_blocks]
    plain = [transformer(latents, torch.tensor([t]), context) for t in (0.0, 0.5, 1.0)]
    rows, modulations = torch.randn(1, 50, 128), torch.randn(1, 3, 1, 128)
    alone = blocks[3](rows, modulations)
    relay = Relay(blocks, [], CPU)

    with relay.running():
        relayed = [transformer(latents, torch.tensor([t]), context) for t in (0.0, 0.5, 1.0)]
        relayed_alone = [blocks[3](rows, modulations) for _ in range(3)]

    assert all(map(torch.equal, plain, relayed))
    assert all(torch.equal(alone, x) for x in relayed_alone)


def test_weights_come_home_after_an_error_too():
    transformer = network(SMALL).transformer
    before = dict(transformer.named_parameters())

    with pytest.raises(RuntimeError, match="reduction dim"), plan("low", META).on_device(transformer):
        transformer.single_blocks[1](torch.zeros(1, 5, 99, device=META), torch.zeros(1, 3, 1, 99, device=META))

    assert all(p is before[n] for n, p in transformer.named_parameters())


@torch.inference_mode()
def test_views_encoded_one_at_a_time_give_the_same_context():
    conditioner = network(SMALL).conditioner
    pictures = torch.rand(2, 3, 3, 70, 70)
    sides = [(0, 1, 3), (0, 2, 3)]

    one_by_one = encode(conditioner, pictures, sides, plan("low", views_a_pass=1))

    torch.testing.assert_close(one_by_one, conditioner(pictures, sides), atol=1e-5, rtol=1e-5)


class Greedy:
    """Doubles its rows; takes more memory than there is for more of them than it `can`."""

    def __init__(self, can: int) -> None:
        self.can, self.sizes = can, []

    def __call__(self, rows: torch.Tensor) -> torch.Tensor:
        self.sizes.append(len(rows))
        if len(rows) > self.can:
            torch.empty(2**60, dtype=torch.uint8)
        return 2 * rows


def test_where_memory_runs_out_the_pass_is_halved_once_and_stays_so():
    greedy = Greedy(can=4)
    halving = Halving(greedy, 8, plan("full"), "points were decoded")
    rows = torch.arange(16.0)

    first, second = halving(rows), halving(rows)

    assert torch.equal(first, 2 * rows)
    assert torch.equal(second, 2 * rows)
    assert greedy.sizes == [8] + 8 * [4]


@pytest.mark.parametrize(("size", "tries"), [(8, [8, 4]), (1, [1])])
def test_where_half_a_pass_is_too_much_the_error_says_need_and_have(size, tries):
    greedy = Greedy(can=0)
    halving = Halving(greedy, size, plan("full"), "points were decoded")

    with pytest.raises(MemoryShortError, match=r"while points were decoded: .* needs about .* GiB are free on cpu: "):
        halving(torch.arange(16.0))

    assert greedy.sizes == tries


@pytest.mark.parametrize("name", PLANS)
def test_where_a_network_runs_out_of_memory_the_error_says_which(name):
    transformer = network(SMALL).transformer

    with (
        pytest.raises(MemoryShortError, match="while the transformer ran: the plan"),
        plan(name).on_device(transformer),
    ):
        torch.empty(2**60, dtype=torch.uint8)


def test_other_errors_pass_a_halving_unchanged():
    halving = Halving(lambda rows: rows @ torch.zeros(3, 3), 8, plan("full"), "points were decoded")

    with pytest.raises(RuntimeError, match="mat1"):
        halving(torch.zeros(8, 5))
