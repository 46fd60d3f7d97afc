# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""What holds to the last bit here holds on other processors, too.

numpy, OpenBLAS, torch, oneDNN and libm choose their loops when they load, by the processor. Each setting makes them
choose as another processor would, and runs the tests with the mark `bits` in a process of its own. onnxruntime has no
such switch: its share is in the tests that change the number of threads.
"""

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
OLD_LIBM = "glibc.cpu.hwcaps=-AVX2,-FMA,-FMA4,-AVX2_Usable,-FMA_Usable"
# What numpy may still use of what it chooses by (the rest is switched off), and the other libraries' variables.
SETTINGS = {
    "no vector unit but SSE": ((), {
        "OPENBLAS_CORETYPE": "Prescott", "ATEN_CPU_CAPABILITY": "default", "DNNL_MAX_CPU_ISA": "SSE41",
        "MKL_ENABLE_INSTRUCTIONS": "SSE4_2", "GLIBC_TUNABLES": OLD_LIBM,
    }),
    "AVX without FMA": (("AVX", "F16C"), {
        "OPENBLAS_CORETYPE": "Sandybridge", "ATEN_CPU_CAPABILITY": "default", "DNNL_MAX_CPU_ISA": "AVX",
        "MKL_ENABLE_INSTRUCTIONS": "AVX", "GLIBC_TUNABLES": OLD_LIBM,
    }),
    "AVX2 and one thread": (("AVX", "F16C", "FMA3", "AVX2", "X86_V3"), {
        "OPENBLAS_CORETYPE": "Haswell", "ATEN_CPU_CAPABILITY": "avx2", "DNNL_MAX_CPU_ISA": "AVX2",
        "MKL_ENABLE_INSTRUCTIONS": "AVX2", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1",
    }),
}  # fmt: skip
# The features by which numpy chooses that this processor has.
PRESENT = (
    "from numpy._core import _multiarray_umath as c; print(*(n for n in c.__cpu_dispatch__ if c.__cpu_features__[n]))"
)


def run(*words, **more):
    return subprocess.run([sys.executable, *map(str, words)], capture_output=True, text=True, check=False, **more)


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="the settings name features of x86-64")
@pytest.mark.parametrize("setting", SETTINGS)
def test_the_last_bits_stay_where_they_are_on_another_processor(setting):
    kept, names = SETTINGS[setting]
    off = set(run("-c", PRESENT).stdout.split()) - set(kept)
    environment = {**os.environ, **names, "NPY_DISABLE_CPU_FEATURES": " ".join(sorted(off))}
    files = [path for path in sorted(TESTS.rglob("test_*.py")) if "@pytest.mark.bits" in path.read_text()]

    left = run("-c", PRESENT, env=environment).stdout.split()
    tests = run("-m", "pytest", "-q", "-m", "bits", "-p", "no:cacheprovider", *files, env=environment, cwd=TESTS.parent)

    assert set(left) <= set(kept)
    assert tests.returncode == 0, tests.stdout[-3000:]
    assert " passed" in tests.stdout
