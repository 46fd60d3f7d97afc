# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The depth network: four pictures in, the depth of the first surface at every pixel of every view out."""
