# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Customers who go on as customers do, whatever happens to the service, and what has to be true afterwards.

A customer sends each request with an Idempotency-Key until it is answered, asks for the job until it has ended, and
loads its files; a connection that breaks is tried again, and so is a 503.
"""

import hashlib
import random
import threading
import time
from collections import Counter

import httpx
from interfaces.pictures import PNG, V1, V2, text

from fourview.service.store import jobs as store_jobs
from fourview.service.store import keys, ledger
from fourview.service.store.audit import audit

PATIENCE_S = 120.0  # of a customer, for one job
ENDS = {"succeeded", "failed", "canceled"}
EXPECTED = {200, 201, 202, 409}  # besides 503, and what v1 says of a job whose two runners were killed


class Customer(threading.Thread):
    """Has one key, wants so many jobs, and writes down every id and every file that it was given."""

    def __init__(self, server, seed, count):
        super().__init__(daemon=True)
        self.server, self.seed, self.count, self.random = server, seed, count, random.Random(seed)
        self.key = server.add_key()
        self.ids, self.ends, self.loaded = {}, {}, 0
        self.answers = Counter()
        self.error = None

    def run(self):
        try:
            with self.server.client(self.key) as self.client:
                for number in range(self.count):
                    self.want(f"{self.seed}-{number}", number)
        except Exception as error:
            self.error = error

    def want(self, word, number):
        """One job, at any of the three interfaces."""
        door = self.random.choice(("native", "native", "native", "v2", "v1"))
        parameters = {"seed": number, "file_type": self.random.choice(("glb", "obj", "ply", "stl"))}
        head = {"idempotency-key": word}
        if door == "native":
            body = {"front": text(PNG), "recipe": parameters}
            job_id = self.ask("POST", "/api/v1/jobs", json=body, headers=head).json()["id"]
            # Whoever is not sure whether it was heard sends it again.
            if self.random.random() < 0.3:
                again = self.ask("POST", "/api/v1/jobs", json=body, headers=head)
                assert (again.json()["id"], again.headers["idempotency-replayed"]) == (job_id, "true")
            if self.random.random() < 0.1:
                self.ask("POST", f"/api/v1/jobs/{job_id}/cancel")
        else:
            body = {"front_image": text(PNG), "randomize_seed": False, **parameters}
            path = V1 if door == "v1" else V2
            answer = self.ask("POST", path, json=body, headers=head)
            job_id = self.job_of(answer) if door == "v1" else answer.json()["request_id"]
        self.ids[word] = job_id
        job = self.until_final(job_id)
        self.ends[job_id] = job["status"]
        for output in job["outputs"]:
            data = self.ask("GET", output["url"]).content
            assert (len(data), hashlib.sha256(data).hexdigest()) == (output["bytes"], output["sha256"]), output
            self.loaded += 1

    def job_of(self, answer):
        """v1 answers with bytes: the newest job of this key is the one."""
        if answer.status_code == 500:
            return answer.json()["job_id"]
        assert len(answer.content) == int(answer.headers["content-length"])
        return self.ask("GET", "/api/v1/jobs?limit=1").json()["data"][0]["id"]

    def until_final(self, job_id):
        until = time.monotonic() + PATIENCE_S
        while (job := self.ask("GET", f"/api/v1/jobs/{job_id}").json())["status"] not in ENDS:
            assert time.monotonic() < until, job
            time.sleep(0.05)
        return job

    def ask(self, method, url, **more):
        """The answer, however often it has to be asked for."""
        until = time.monotonic() + PATIENCE_S
        while True:
            try:
                answer = self.client.request(method, url, **more)
            except httpx.TransportError:
                self.answers["broken"] += 1
            else:
                self.answers[answer.status_code] += 1
                if answer.status_code == 503:
                    assert answer.headers["retry-after"]
                else:
                    assert answer.status_code in EXPECTED or answer.json()["code"] == "worker_crash", answer.text
                    return answer
            assert time.monotonic() < until, f"{method} {url} was not answered"
            time.sleep(0.05)


def jobs_of(server, customer):
    with server.store.read() as tx:
        return store_jobs.list_jobs(tx, keys.check_key(tx, customer.key, time.time()).account_id, 1000).jobs


def check_credits(server, customer):
    """What is missing of the balance is the price of the jobs that were charged, once each."""
    with server.store.read() as tx:
        assert audit(tx) == []
        account_id = keys.check_key(tx, customer.key, time.time()).account_id
        rows = ledger.list_rows(tx, account_id, 10_000)
        charged = [row.job_id for row in rows if row.kind == "charge"]
        paid = sum(job.price for job in jobs_of(server, customer) if job.id in charged)
        assert len(charged) == len(set(charged))
        assert ledger.balance(tx, account_id) == 1000 * ledger.CREDIT - paid
