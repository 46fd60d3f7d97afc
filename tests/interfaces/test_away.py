# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""PostgreSQL is away for seconds, as it is while it is upgraded."""

import threading
import time

import httpx
import psycopg
import pytest
from interfaces.pictures import V1, text
from interfaces.server import Server
from service.acts import png

from fourview.service.store.audit import audit


@pytest.fixture
def database(cluster):
    return cluster.new_database()


@pytest.fixture
def server(database, tmp_path):
    server = Server(database, tmp_path, devices="instant:3")
    yield server.start()
    server.close()


def send_away(cluster, database, is_away):
    """Throw everybody out of the database and let nobody in, or let them in again."""
    name = psycopg.conninfo.conninfo_to_dict(database)["dbname"]
    with psycopg.connect(psycopg.conninfo.make_conninfo(database, dbname="postgres"), autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS {not is_away}")
        if is_away:
            connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])


def test_who_waits_outlasts_it_and_all_others_are_told_when_to_come_again(cluster, database, server):
    key, said = server.add_key(), {}

    def wait():
        picture, headers = {"front_image": text(png())}, {"x-api-key": key}
        said["v1"] = httpx.post(server.base_url + V1, json=picture, headers=headers, timeout=60)

    def follow(url):
        said["events"] = httpx.get(url, timeout=60).text

    with server.client(key) as client:
        job = client.post("/api/v1/jobs", json={"front": text(png())}).json()
        waiting = [threading.Thread(target=wait), threading.Thread(target=follow, args=(job["events_url"],))]
        for thread in waiting:
            thread.start()
        until = time.monotonic() + 30
        while len(client.get("/api/v1/jobs").json()["data"]) < 2:
            assert time.monotonic() < until
        send_away(cluster, database, True)
        refused = client.get(f"/api/v1/jobs/{job['id']}")
        time.sleep(2)
        send_away(cluster, database, False)
        for thread in waiting:
            thread.join()

    assert (refused.status_code, refused.json()["code"]) == (503, "not_ready")
    assert refused.headers["retry-after"]
    assert said["v1"].status_code == 200, said["v1"].text
    assert '"status": "succeeded"' in said["events"]
    assert "Traceback" not in server.log.read_text()
    with server.store.read() as tx:
        assert audit(tx) == []
