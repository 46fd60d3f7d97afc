# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""A folder becomes a network: every layout, and no tensor too many, too few or of another shape."""

import subprocess
import sys

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from fourview.errors import CheckpointError
from fourview.weights.load import check, fill, open_checkpoint, renamed

MODEL, VAE, DINO = "model.", "vae.", "conditioner.main_image_encoder.model."
CONFIG = "model: {target: a.b, params: {width: 4}}\nvae: {}\nconditioner: {}\n"
VAE_CONFIG = "target: a.b\nparams: {width: 4}\n"
RENAMES = ((r"^block\.", "blocks."), (r"\.ln$", ".norm"))


def linear(seed, dtype=torch.float16):
    """The tensors of the network below by their official names."""
    generator = torch.Generator().manual_seed(seed)
    shapes = {"block.0.weight": (4, 3), "block.0.bias": (4,), "block.1.weight": (2, 4), "block.1.bias": (2,)}
    return {name: torch.randn(shape, generator=generator).to(dtype) for name, shape in shapes.items()}


def network():
    with torch.device("meta"):
        module = nn.Module()
        module.blocks = nn.ModuleList([nn.Linear(3, 4), nn.Linear(4, 2)])
    return module


def prefixed(prefix, tensors):
    return {prefix + name: tensor for name, tensor in tensors.items()}


def official(folder, name="model.fp16.safetensors", dtype=torch.float16, **more):
    """The single file with all three parts, seeds 1, 2 and 3."""
    tensors = {}
    for seed, prefix in enumerate((MODEL, VAE, DINO), 1):
        tensors |= prefixed(prefix, linear(seed, dtype))
    save_file(tensors | more, folder / name)
    (folder / "config.yaml").write_text(CONFIG)
    return folder


def filled(checkpoint, part, dtype=None, **more):
    module = network()
    fill(module, checkpoint, part, RENAMES, device="cpu", dtype=dtype, **more)
    return module


def assert_is_linear(module, seed, dtype=torch.float16):
    expected = linear(seed)
    for index in (0, 1):
        for kind in ("weight", "bias"):
            tensor = getattr(module.blocks[index], kind)
            assert tensor.dtype == dtype
            assert torch.equal(tensor, expected[f"block.{index}.{kind}"].to(dtype))


@pytest.mark.parametrize("as_file", [False, True])
def test_the_official_single_file_fills_all_three_parts(tmp_path, as_file):
    official(tmp_path)

    checkpoint = open_checkpoint(tmp_path / "model.fp16.safetensors" if as_file else tmp_path)

    assert checkpoint.folder == tmp_path
    assert checkpoint.config["model"]["params"] == {"width": 4}
    assert checkpoint.files == [tmp_path / "model.fp16.safetensors"]
    for seed, part in enumerate(("model", "vae", "conditioner"), 1):
        assert_is_linear(filled(checkpoint, part), seed)


def test_a_decoder_alone_has_no_prefix(tmp_path):
    save_file(linear(5), tmp_path / "model.fp16.safetensors")
    (tmp_path / "config.yaml").write_text(VAE_CONFIG)

    assert_is_linear(filled(open_checkpoint(tmp_path), "vae"), 5)


PICKLED_DICTS = {"model": "", "vae": "", "conditioner": "main_image_encoder.model."}  # where three dicts were converted


@pytest.mark.parametrize(
    "prefixes", [dict.fromkeys(PICKLED_DICTS, ""), {"model": MODEL, "vae": VAE, "conditioner": DINO}, PICKLED_DICTS]
)
def test_one_file_a_part_may_have_prefixes_or_not(tmp_path, prefixes):
    for seed, (part, prefix) in enumerate(prefixes.items(), 1):
        save_file(prefixed(prefix, linear(seed)), tmp_path / f"{part}.safetensors")
    (tmp_path / "config.yaml").write_text(CONFIG)

    checkpoint = open_checkpoint(tmp_path)

    for seed, part in enumerate(prefixes, 1):
        assert_is_linear(filled(checkpoint, part), seed)


def test_a_part_that_the_single_file_lacks_comes_from_its_own_file(tmp_path):
    save_file(prefixed(MODEL, linear(1)) | prefixed(VAE, linear(2)), tmp_path / "model.safetensors")
    save_file(linear(8), tmp_path / "vae.safetensors")
    save_file(linear(9), tmp_path / "conditioner.safetensors")
    (tmp_path / "config.yaml").write_text(CONFIG)

    checkpoint = open_checkpoint(tmp_path)

    assert_is_linear(filled(checkpoint, "vae"), 2)
    assert_is_linear(filled(checkpoint, "conditioner"), 9)
    assert checkpoint.files == [tmp_path / "conditioner.safetensors", tmp_path / "model.safetensors"]


def test_of_several_variants_fp16_is_read_then_the_plain_one_then_bf16(tmp_path):
    read = []
    for variant in (".bf16", "", ".fp16"):
        official(tmp_path, f"model{variant}.safetensors")
        read += open_checkpoint(tmp_path).files

    assert [path.name for path in read] == ["model.bf16.safetensors", "model.safetensors", "model.fp16.safetensors"]


@pytest.mark.parametrize("kept", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize("asked", [None, torch.float16, torch.bfloat16, torch.float32])
def test_every_precision_of_a_file_goes_into_every_other(tmp_path, kept, asked):
    official(tmp_path, dtype=kept)

    module = filled(open_checkpoint(tmp_path), "vae", asked)

    assert torch.equal(module.blocks[1].weight, linear(2, kept)["block.1.weight"].to(asked or kept))
    assert {tensor.dtype for tensor in module.state_dict().values()} == {asked or kept}


def test_a_filled_network_computes(tmp_path):
    module = filled(open_checkpoint(official(tmp_path)), "model", torch.float32)

    out = module.blocks[1](module.blocks[0](torch.ones(1, 3)))

    w = {name: tensor.float() for name, tensor in linear(1).items()}
    hidden = w["block.0.weight"].sum(1) + w["block.0.bias"]
    assert torch.allclose(out[0], w["block.1.weight"] @ hidden + w["block.1.bias"], atol=1e-6)


def test_every_wrong_tensor_is_listed_by_name_in_one_error(tmp_path):
    tensors = prefixed(MODEL, linear(1))
    del tensors["model.block.0.bias"]
    tensors["model.block.1.weight"] = torch.zeros(4, 2, dtype=torch.float16)
    tensors["model.extra.weight"] = torch.zeros(1, dtype=torch.float16)
    save_file(tensors, tmp_path / "model.safetensors")
    (tmp_path / "config.yaml").write_text(CONFIG)

    with pytest.raises(CheckpointError) as caught:
        filled(open_checkpoint(tmp_path), "model")

    said = str(caught.value)
    assert "1 missing: blocks.0.bias;" in said
    assert "1 unexpected: extra.weight;" in said
    assert "1 of another shape: block.1.weight (4, 2) for (2, 4)" in said
    assert str(tmp_path) in said
    assert "\n" not in said


def test_a_long_list_is_cut_and_counted(tmp_path):
    many = {f"t{i:02}": torch.zeros(1, dtype=torch.float16) for i in range(30)}
    checkpoint = open_checkpoint(official(tmp_path, **prefixed(VAE, many)))

    with pytest.raises(CheckpointError, match=r"30 unexpected: t00, .* t11 and 18 more") as caught:
        filled(checkpoint, "vae")

    assert "t12" not in str(caught.value)


def test_what_may_be_there_is_left_out_but_not_where_the_network_has_it(tmp_path):
    extra = {"encoder.weight": torch.zeros(1), "pre_kl.bias": torch.zeros(1), "blockade": torch.zeros(1)}
    checkpoint = open_checkpoint(official(tmp_path, **prefixed(VAE, extra)))

    module = filled(checkpoint, "vae", allow_unexpected=(r"encoder\.", r"pre_kl\.", "block"))

    assert_is_linear(module, 2)
    with pytest.raises(CheckpointError, match="1 unexpected: blockade"):
        filled(checkpoint, "vae", allow_unexpected=(r"encoder\.", r"pre_kl\."))


def test_nothing_is_read_before_everything_fits(tmp_path):
    checkpoint = open_checkpoint(official(tmp_path))
    module = network()
    module.blocks[0] = nn.Linear(3, 5, device="meta")

    with pytest.raises(CheckpointError):
        fill(module, checkpoint, "model", RENAMES, device="cpu", dtype=None)

    assert all(tensor.is_meta for tensor in module.state_dict().values())


def test_renames_are_applied_once_each_in_their_order():
    assert renamed("block.3.ln", RENAMES) == "blocks.3.norm"
    assert renamed("other.block.3", RENAMES) == "other.block.3"
    assert renamed("a", (("a", "b"), ("b", "c"))) == "c"
    assert renamed("aa", (("^a", "b"),)) == "ba"


def test_two_tensors_may_not_become_one(tmp_path):
    found = open_checkpoint(official(tmp_path)).tensors("model")

    with pytest.raises(CheckpointError, match=r"become one after renaming: block\.0\.bias, block\.0\.weight"):
        check({}, found, "model", tmp_path, ((r"block\.\d", "block"),))


def test_a_missing_part_is_named_with_where_it_could_be(tmp_path):
    save_file(prefixed(MODEL, linear(1)), tmp_path / "model.fp16.safetensors")
    (tmp_path / "config.yaml").write_text(CONFIG)

    with pytest.raises(CheckpointError, match=r"holds no vae, only model: .* vae\.safetensors"):
        open_checkpoint(tmp_path).tensors("vae")


def test_a_tensor_of_no_part_is_an_error(tmp_path):
    official(tmp_path, stranger=torch.zeros(1))

    with pytest.raises(CheckpointError, match="holds stranger beside tensors of conditioner, model, vae"):
        open_checkpoint(tmp_path)


def test_a_folder_of_pickles_is_refused_and_one_beside_the_file_is_ignored(tmp_path):
    (tmp_path / "model.fp16.ckpt").write_bytes(b"PK\x03\x04")

    with pytest.raises(CheckpointError, match=r"model\.fp16\.ckpt is a pickle"):
        open_checkpoint(tmp_path)
    with pytest.raises(CheckpointError, match=r"model\.fp16\.ckpt is a pickle"):
        open_checkpoint(tmp_path / "model.fp16.ckpt")
    assert open_checkpoint(official(tmp_path)).files == [tmp_path / "model.fp16.safetensors"]


def test_a_cut_file_is_found_when_it_is_opened(tmp_path):
    path = official(tmp_path) / "model.fp16.safetensors"
    path.write_bytes(path.read_bytes()[:-1])

    with pytest.raises(CheckpointError, match="its header needs"):
        open_checkpoint(tmp_path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "config.yaml is missing"),
        (b"a: [1", "is not YAML"),
        (b"\xff\xfe\xff", "is not YAML"),
        (b"[" * 100_000, "is not YAML"),
        (b"- 1\n", "holds a list; a mapping is expected"),
        (b"", "holds a NoneType"),
        (b"a: !!python/object/apply:os.system ['false']", "is not YAML"),
        (b"#" * 2_000_000, "it is too long"),
    ],
)
def test_a_config_that_is_none_is_refused(tmp_path, text, said):
    official(tmp_path)
    (tmp_path / "config.yaml").unlink()
    if text is not None:
        (tmp_path / "config.yaml").write_bytes(text)

    with pytest.raises(CheckpointError, match=said):
        open_checkpoint(tmp_path)


def test_places_without_weights_are_named(tmp_path):
    with pytest.raises(CheckpointError, match="nowhere does not exist"):
        open_checkpoint(tmp_path / "nowhere")
    with pytest.raises(CheckpointError, match=r"holds no model\.safetensors"):
        open_checkpoint(tmp_path)


OWN_MEMORY = """
import sys, torch
from torch import nn
from fourview.weights.load import fill, open_checkpoint

def own_mib():
    return next(int(line.split()[1]) / 1024 for line in open("/proc/self/status") if line.startswith("RssAnon"))

for dtype in (None, torch.bfloat16):
    with torch.device("meta"):
        module = nn.Module()
        module.layers = nn.ModuleList(nn.Linear(1024, 1024, bias=False) for _ in range(32))
    before = own_mib()
    fill(module, open_checkpoint(sys.argv[1]), "model", (), device="cpu", dtype=dtype)
    assert not sum(float(layer.weight.detach().sum()) for layer in module.layers)
    print(own_mib() - before)
"""


def test_on_the_cpu_tensors_stay_mapped_until_their_precision_is_changed(tmp_path):
    layers = {f"layers.{i}.weight": torch.zeros(1024, 1024, dtype=torch.float16) for i in range(32)}  # 64 MiB
    save_file(layers, tmp_path / "model.safetensors")
    (tmp_path / "config.yaml").write_text("model: {}\n")

    command = [sys.executable, "-c", OWN_MEMORY, tmp_path]
    kept, changed = map(float, subprocess.run(command, capture_output=True, check=True).stdout.split())

    assert kept < 16
    assert 60 < changed < 64 + 16
