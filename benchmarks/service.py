# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""How fast the service answers, on this machine over the loopback; it starts its own `fourview serve`.

    python benchmarks/service.py status    status reads a second while a job runs (>= 1,000, p99 <= 50 ms)
    python benchmarks/service.py health    /health/live while it works (p99 <= 50 ms)
    python benchmarks/service.py events    from POST to the first event at an EventSource (<= 100 ms)
    python benchmarks/service.py overhead  a blocking v1 call with an engine that takes no time (p50 <= 60 ms)
    python benchmarks/service.py cancel    from POST cancel to the job's end, waiting (<= 100 ms) and running (<= 1 s)
    python benchmarks/service.py soak      2,000 jobs: memory, handles and scratch of every process must stay flat

`--database postgresql://...` takes another database than SQLite in a temporary folder. Standard library only.
"""

import argparse
import asyncio
import http.client
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

ROBOT = Path(__file__).parent.parent / "src/fourview/examples/robot"
CONNECTIONS = 16


@dataclass(frozen=True)
class Service:
    url: str
    key: str
    pid: int
    state: Path

    def call(self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None) -> Any:
        """JSON of one request; the bytes where it is none."""
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=600)
        connection.request(method, path, body, {"x-api-key": self.key, **(headers or {})})
        answer = connection.getresponse()
        data = answer.read()
        connection.close()
        if answer.status >= 400:
            raise SystemExit(f"{method} {path}: {answer.status} {data[:500]!r}")
        return json.loads(data) if "json" in answer.headers.get("content-type", "") else data

    def upload(self) -> str:
        """The id of the front picture."""
        data = (ROBOT / "front.png").read_bytes()
        return str(self.call("POST", "/api/v1/uploads", data, {"content-type": "image/png"})["id"])

    def submit(self, picture: str, **parameters: Any) -> dict[str, Any]:
        """A new job."""
        body = json.dumps({"front": picture, **parameters}).encode()
        job: dict[str, Any] = self.call("POST", "/api/v1/jobs", body, {"content-type": "application/json"})
        return job


@contextmanager
def service(device: str, database: str | None) -> Iterator[Service]:
    """A service of its own in a temporary folder."""
    with tempfile.TemporaryDirectory() as folder:
        settings = {
            "FOURVIEW_STATE_DIR": folder, "FOURVIEW_RATE_PER_MIN": "1000000", "FOURVIEW_DEVICES": device,
            "FOURVIEW_FIRST_KEY_CREDITS": "1000000", "FOURVIEW_LOG_LEVEL": "warning",
            **({"FOURVIEW_DATABASE_URL": database} if database else {}),
        }  # fmt: skip
        process = subprocess.Popen(
            [sys.executable, "-m", "fourview", "serve", "--port", "0"], env={**os.environ, **settings},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        key, said = "", []
        assert process.stdout is not None
        for line in process.stdout:
            said.append(line)
            key = found[0] if (found := re.search(r"fv_[\w-]{32}", line)) and not key else key
            if line.startswith("ready "):
                break
        else:
            raise SystemExit("".join(said))
        at = Service(line.split()[1], key, process.pid, Path(folder))
        try:
            while at.call("GET", "/health/live") is None or not _is_ready(at):
                time.sleep(0.05)
            yield at
        finally:
            process.send_signal(signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                process.wait(60)
            process.kill()


def _is_ready(at: Service) -> bool:
    try:
        return bool(at.call("GET", "/health/ready"))
    except SystemExit:
        return False


async def hammer(at: Service, path: str, seconds: float, rate: float | None = None) -> list[float]:
    """Seconds that each GET of `path` took, over `CONNECTIONS`; without a `rate` they ask again once they are answered.

    With a rate (requests a second) the time counts from the moment when the request was due.
    """
    place = urlsplit(at.url)
    request = f"GET {path} HTTP/1.1\r\nhost: {place.netloc}\r\nx-api-key: {at.key}\r\n\r\n".encode()
    took: list[float] = []

    async def ask() -> None:
        reader, writer = await asyncio.open_connection(place.hostname, place.port)
        due = time.perf_counter()
        while time.perf_counter() < end:
            if rate is not None:
                due += CONNECTIONS / rate
                await asyncio.sleep(due - time.perf_counter())
            began = due if rate is not None else time.perf_counter()
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 200"):
                raise SystemExit(head.decode())
            length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
            await reader.readexactly(int(length[1]) if length else 0)
            took.append(time.perf_counter() - began)
        writer.close()

    end = time.perf_counter() + seconds
    await asyncio.gather(*(ask() for _ in range(CONNECTIONS)))
    return took


def _line(name: str, took: list[float]) -> None:
    ms = sorted(1000 * t for t in took)
    print(f"{name:34} p50 {statistics.median(ms):8.1f} ms   p99 {ms[int(len(ms) * 0.99)]:8.1f} ms   n {len(ms)}")


def status(args: argparse.Namespace) -> None:
    with service("cpu", args.database) as at:
        job = _busy(at)
        for path in (f"/v2/requests/{job}/status", f"/api/v1/jobs/{job}"):
            _line(f"{path.replace(job, 'ID')}, 1,000/s", asyncio.run(hammer(at, path, args.seconds, rate=1000)))
            took = asyncio.run(hammer(at, path, args.seconds))
            _line("  as fast as it goes", took)
            print(f"{'':34} {len(took) / args.seconds:.0f} a second; the job is {_state(at, job)}")


def health(args: argparse.Namespace) -> None:
    with service("cpu", args.database) as at:
        job = _busy(at)
        _line("/health/live", asyncio.run(hammer(at, "/health/live", args.seconds, rate=100)))
        print(f"{'':34} the job is {_state(at, job)}")


def _busy(at: Service) -> str:
    """The id of a job that runs, with others waiting behind it."""
    picture = at.upload()
    jobs = [at.submit(picture, octree_resolution=512, texture_size=4096)["id"] for _ in range(12)]
    while _state(at, jobs[0]) == "queued":
        time.sleep(0.05)
    return str(jobs[0])


def _state(at: Service, job: str) -> str:
    return str(at.call("GET", f"/api/v1/jobs/{job}")["status"])


def events(args: argparse.Namespace) -> None:
    with service("instant", args.database) as at:
        picture, took, place = at.upload(), [], urlsplit(at.url)
        for _ in range(args.runs):
            began = time.perf_counter()
            job = at.submit(picture)
            url = urlsplit(job["events_url"])
            connection = http.client.HTTPConnection(place.netloc, timeout=60)
            connection.request("GET", f"{url.path}?{url.query}")
            answer = connection.getresponse()
            while not answer.readline().startswith(b"data:"):
                pass
            took.append(time.perf_counter() - began)
            connection.close()
        _line("POST -> first event", took)


def overhead(args: argparse.Namespace) -> None:
    with service("instant", args.database) as at:
        body = json.dumps({"front_image": at.upload()}).encode()
        took = []
        for _ in range(args.runs):
            began = time.perf_counter()
            at.call("POST", "/v1/hunyuan3d-2mv", body, {"content-type": "application/json"})
            took.append(time.perf_counter() - began)
        _line("v1, an upload id, instant", took[1:])
        picture = json.dumps({"front_image": _base64(ROBOT / "front.png")}).encode()
        took = []
        for _ in range(args.runs):
            began = time.perf_counter()
            at.call("POST", "/v1/hunyuan3d-2mv", picture, {"content-type": "application/json"})
            took.append(time.perf_counter() - began)
        _line("v1, a picture in base64, instant", took[1:])


def _base64(path: Path) -> str:
    import base64

    return base64.b64encode(path.read_bytes()).decode()


def cancel(args: argparse.Namespace) -> None:
    with service("cpu", args.database) as at:
        picture = at.upload()
        for name in ("waiting", "running"):
            took = []
            for _ in range(min(args.runs, 20)):
                first = at.submit(picture)["id"]
                while _state(at, first) == "queued":
                    time.sleep(0.01)
                job = first if name == "running" else at.submit(picture)["id"]
                began = time.perf_counter()
                at.call("POST", f"/api/v1/jobs/{job}/cancel")
                while _state(at, job) not in ("canceled", "succeeded"):
                    time.sleep(0.002)
                took.append(time.perf_counter() - began)
                if job != first:
                    at.call("POST", f"/api/v1/jobs/{first}/cancel")
                while _state(at, first) == "running":
                    time.sleep(0.01)
            _line(f"cancel of a job that is {name}", took)


def soak(args: argparse.Namespace) -> None:
    with service("instant", args.database) as at:
        picture = at.upload()
        print(f"{'jobs':>6}  process: memory MiB / handles")
        for done in range(args.jobs + 1):
            if done % max(args.jobs // 10, 1) == 0:
                print(
                    f"{done:6}  " + "   ".join(f"{name}: {mib:.0f} / {n}" for name, mib, n in _family(at.pid)),
                    flush=True,
                )
            if done < args.jobs:
                at.call("POST", "/api/v1/jobs", json.dumps({"front": picture}).encode(),
                        {"content-type": "application/json", "prefer": "wait=60"})  # fmt: skip
        left = [str(path) for path in (at.state / "scratch").rglob("*") if path.is_file()]
        print(f"scratch holds {len(left)} files")


def _family(pid: int) -> list[tuple[str, float, int]]:
    """Name, resident memory and open handles of a process and its children (Linux)."""
    rows = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        with suppress(OSError, IndexError):
            parent = int((folder / "stat").read_text().rsplit(")", 1)[1].split()[1])
            if pid in (parent, int(folder.name)):
                pages = int((folder / "statm").read_text().split()[1])
                name = "serve" if int(folder.name) == pid else "runner"
                rows.append((name, pages * os.sysconf("SC_PAGE_SIZE") / 2**20, len(os.listdir(folder / "fd"))))
    return sorted(rows, reverse=True)


def main() -> int:
    commands: dict[str, Callable[[argparse.Namespace], None]] = {
        "status": status, "health": health, "events": events, "overhead": overhead, "cancel": cancel, "soak": soak,
    }  # fmt: skip
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=commands)
    parser.add_argument("--database")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--jobs", type=int, default=2000)
    args = parser.parse_args()
    commands[args.what](args)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
