# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Networks this small are faster on one thread, above all where several programs share the cores."""

import pytest
import torch

from fourview import compute


@pytest.fixture(autouse=True, scope="package")
def one_thread():
    before = torch.get_num_threads()
    compute.set_threads(1)
    torch.set_num_threads(1)
    yield
    compute.set_threads(None)
    torch.set_num_threads(before)
