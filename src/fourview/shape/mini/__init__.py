# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The embedded engine: a small network of our own corrects the hull. Run by onnxruntime, trained in `training/`."""
