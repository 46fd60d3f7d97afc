# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The shape decoder of the official width as a field: coarse to fine gives the surface that asking everywhere gives."""

import numpy as np
import pytest
import torch

from fourview.mesh.measure import measure
from fourview.shape.hunyuan2mv.vae import ShapeVae, VaeParams
from fourview.surface.extract import extract
from fourview.surface.field import Field
from fourview.surface.octree import sample, sample_dense

# The official decoder but for its depth and the number of its latents, which would only take longer.
PARAMS = VaeParams(
    num_latents=64, embed_dim=64, num_freqs=8, include_pi=False, heads=16, width=1024, num_decoder_layers=1,
    qkv_bias=False, qk_norm=True, scale_factor=0.9990943042622529, geo_decoder_mlp_expand_ratio=4,
    geo_decoder_downsample_ratio=1, geo_decoder_ln_post=True,
)  # fmt: skip
BOX = np.array([[-1.01] * 3, [1.01] * 3])


def ring(points):
    """How far inside a ring of radius 0.6 and thickness 0.25 points `(n, 3)` lie."""
    return 0.25 - torch.hypot(torch.hypot(points[:, 0], points[:, 1]) - 0.6, points[:, 2])


def ball(points):
    return 0.7 - points.norm(dim=1)


@pytest.fixture(scope="module")
def random_vae():
    torch.manual_seed(0)
    vae = ShapeVae(PARAMS).eval()
    vae.points.query_proj.weight.data[:, 3:] /= torch.tensor(vae.points.frequencies).repeat(6) ** 2
    return vae


@torch.no_grad()
def field_toward(vae, solid):
    """The field of random latents, with the decoder's last row fitted to a solid so that there is a surface."""
    memory = vae.points.memory(vae.tokens(torch.randn(1, PARAMS.num_latents, PARAMS.embed_dim)))
    rows = []
    hook = vae.points.output_proj.register_forward_hook(lambda module, inputs, output: rows.append(inputs[0][0]))
    points = torch.rand(4000, 3) * 2.02 - 1.01
    vae.points(points[None], memory)
    hook.remove()
    rows, target = rows[0].double(), solid(points).double()
    moment = rows.T @ rows / len(rows) + 1e-5 * torch.eye(PARAMS.width, dtype=torch.float64)
    vae.points.output_proj.weight.data[0] = torch.linalg.solve(moment, rows.T @ target / len(rows)).float()
    vae.points.output_proj.bias.data.zero_()

    @torch.inference_mode()
    def value(asked):
        return vae.points(asked[None], memory)[0]

    return Field(value, BOX, tile=512, xp=torch)


@pytest.mark.parametrize(("solid", "euler"), [(ball, 2), (ring, 0)])
def test_coarse_to_fine_finds_what_asking_everywhere_finds(random_vae, solid, euler):
    field = field_toward(random_vae, solid)

    sparse, dense = sample(field, 24, coarse_cells=6), sample_dense(field, 24)

    mesh, plain = extract(sparse), extract(dense)
    assert mesh.faces.tolist() == plain.faces.tolist()
    assert np.allclose(mesh.vertices, plain.vertices, atol=1e-5)
    assert (measure(mesh).watertight, measure(mesh).euler) == (True, euler)
    assert sparse.asked < 0.6 * dense.asked  # 24 cells are few: docs/how/surface.md has the share at 256


@pytest.mark.bits
@torch.inference_mode()
def test_a_value_is_that_of_its_point_wherever_it_lies_in_the_tile(random_vae):
    field = field_toward(random_vae, ring)
    points = torch.rand(1200, 3) * 2.02 - 1.01
    order = torch.randperm(len(points))

    assert torch.equal(field(points[order]), field(points)[order])
    assert torch.equal(field(points[700:707]), field(points)[700:707])
