# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""`fourview doctor`: what is installed, what the machine has, what is missing and the line that installs it.

Owns      the check of every part the base needs. Standard library alone: it must answer when all else is broken.
"""

import hashlib
import importlib.metadata
import json
import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from fourview.install import install_line, installer
from fourview.sides import SIDES

PACKAGE = Path(__file__).parent.parent
NETWORK, NETWORK_MD5 = PACKAGE / "views" / "u2netp.onnx", "8e83ca70e441ab06c318d82300c84806"
PAGE = PACKAGE / "service" / "page" / "index.html"
EXAMPLES = [
    *(PACKAGE / "examples" / "robot" / f"{side}.png" for side in SIDES),
    *(PACKAGE / "examples" / "robot_photo" / f"{side}.jpg" for side in SIDES),
]
MODULES = {"pillow": "PIL"}  # distributions whose module has another name than theirs
EXTRAS = {  # what each optional part is for; its packages are in the metadata of this one
    "rembg": "larger matting networks",
    "gltf": "glTF that is packed with Draco or meshopt",
    "hunyuan": "the engine hunyuan2mv",
    "serve": "the HTTP service",
}
LOW_MEMORY_MIB, LOW_DISK_MIB = 1500, 500


@dataclass(frozen=True)
class Finding:
    """One part: `state` is ok, missing (the base needs it) or absent (an extra); `mend` is a line for the shell."""

    part: str
    state: str
    detail: str
    mend: str = ""


def run(arguments: list[str]) -> int:
    """Print the findings, as JSON with `--json`; 0 when the base is whole, else 2."""
    if {"-h", "--help"} & set(arguments):
        print("Usage: fourview doctor [--json]\n\n  " + (__doc__ or "").splitlines()[0])
        return 0
    if unknown := [a for a in arguments if a != "--json"]:
        print(f"error: doctor does not know {unknown[0]!r}; it takes --json", file=sys.stderr)
        return 2
    findings = [*machine(), *packages(), *shipped(), *extras()]
    if "--json" in arguments:
        print(json.dumps([vars(f) for f in findings], indent=1))
    else:
        for f in findings:
            print(f"{f.state:<8} {f.part:<20} {f.detail}")
            if f.mend:
                print(f"{'':<8} {'':<20} mend: {f.mend}" if f.state == "missing" else f"{'':<29} {f.mend}")
    return 2 if any(f.state == "missing" for f in findings) else 0


def machine() -> list[Finding]:
    """What this machine has."""
    memory_mib, disk_mib = _memory_mib(), shutil.disk_usage(tempfile.gettempdir()).free // 2**20
    version_ok = sys.version_info >= (3, 11)
    return [
        Finding("python", "ok" if version_ok else "missing", f"{platform.python_version()} on {platform.platform()}",
                "" if version_ok else "install Python 3.11 or newer"),
        Finding("cores", "ok", str(os.cpu_count())),
        Finding("memory", "ok", "unknown" if memory_mib is None else f"{memory_mib} MiB"
                + (f", less than the {LOW_MEMORY_MIB} a run may take" if memory_mib < LOW_MEMORY_MIB else "")),
        Finding("scratch disk", "ok", f"{disk_mib} MiB free in {tempfile.gettempdir()}"
                + (f", less than the advised {LOW_DISK_MIB}" if disk_mib < LOW_DISK_MIB else "")),
    ]  # fmt: skip


def packages() -> list[Finding]:
    """Every package of the base, each imported in a separate Python: a broken one cannot break the report."""
    findings = []
    for wanted in _required():
        name = _name(wanted)
        module = MODULES.get(name.lower(), name.replace("-", "_"))
        probe = subprocess.run([sys.executable, "-c", f"import {module}"], capture_output=True, text=True, check=False)
        try:
            version = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            version = ""
        if probe.returncode == 0 and version:
            findings.append(Finding(name, "ok", version))
            continue
        why = probe.stderr.strip().splitlines()[-1] if probe.returncode else "not installed as a package"
        again = "--force-reinstall --no-deps " if version else ""
        findings.append(Finding(name, "missing", why, f"{installer()} {again}{shlex.quote(wanted)}"))
    return findings


def shipped() -> list[Finding]:
    """The files that come with the package itself."""
    mend = install_line(options="--force-reinstall --no-deps")
    network_ok = NETWORK.is_file() and hashlib.md5(NETWORK.read_bytes()).hexdigest() == NETWORK_MD5
    gone = [str(path.relative_to(PACKAGE)) for path in EXAMPLES if not path.is_file()]
    return [
        Finding("matting network", "ok" if network_ok else "missing",
                "U-2-Net-p" if network_ok else f"{NETWORK.name} is not the genuine file", "" if network_ok else mend),
        Finding("page", "ok" if PAGE.is_file() else "absent", "of the HTTP service" + ("" if PAGE.is_file() else
                ", not built: Node 20 or later builds it, all else works without"), "" if PAGE.is_file() else mend),
        Finding("example pictures", "missing" if gone else "ok", ", ".join(gone) or f"{len(EXAMPLES)} pictures",
                mend if gone else ""),
    ]  # fmt: skip


def extras() -> list[Finding]:
    """Optional parts; their absence is not an error."""
    findings = []
    for extra, purpose in EXTRAS.items():
        try:
            names = map(_name, _required(extra))
            versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in names)
            findings.append(Finding(extra, "ok", f"{purpose}: {versions}"))
        except importlib.metadata.PackageNotFoundError as error:
            missing = f"optional: {purpose}; {error.name} is not installed"
            findings.append(Finding(extra, "absent", missing, install_line(extra)))
    return findings


def _required(extra: str = "") -> list[str]:
    """The packages that the base, or `extra`, depends on here, such as "numpy>=2"."""
    found = []
    for requirement in importlib.metadata.requires("fourview") or []:
        wanted, _, condition = requirement.replace('"', "'").partition(";")
        extras = re.findall(r"extra == '(.+?)'", condition)
        if extras == ([extra] if extra else []) and f"sys_platform != '{sys.platform}'" not in condition:
            found.append(wanted.strip())
    return found


def _name(wanted: str) -> str:
    return re.split(r"[<>=!~ \[]", wanted)[0]


def _memory_mib() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
    except (AttributeError, ValueError, OSError):
        return None
