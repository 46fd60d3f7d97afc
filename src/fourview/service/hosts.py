# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Names of hosts: which mean this machine, which mean several hosts."""

from ipaddress import ip_address


def is_loopback(host: str) -> bool:
    """Whether `host` (a name, or an address without brackets) is this machine and no other can reach it."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def is_wildcard(host: str) -> bool:
    """Whether `host` stands for more than one host."""
    return "*" in host or host in ("0.0.0.0", "::", "")
