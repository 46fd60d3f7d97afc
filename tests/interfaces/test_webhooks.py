# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The real service tells a real receiver, also after it was killed in between."""

import time

import pytest
from interfaces.pictures import FRONT
from interfaces.server import END_S
from service.receiver import receiving
from standardwebhooks import Webhook


@pytest.fixture
def receiver():
    with receiving() as receiver:
        yield receiver


def wait_until(what):
    until = time.monotonic() + END_S
    while not (found := what()):
        assert time.monotonic() < until
        time.sleep(0.02)
    return found


def test_a_job_is_told_from_its_beginning_to_its_end_although_the_service_is_killed(serve, receiver):
    receiver.statuses["/hook"] = [503]
    service = serve(outbound_test_hosts=receiver.host, webhook_first_delay_s=1, webhook_max_delay_s=1)
    key = service.add_key()
    body = {"front": FRONT["front_image"], "webhook_url": receiver.url()}

    with service.client(key) as client:
        job = client.post("/api/v1/jobs", json=body, headers={"Prefer": "wait=30"}).json()
        place = f"/api/v1/jobs/{job['id']}/deliveries"
        wait_until(lambda: all(delivery["log"] for delivery in client.get(place).json()["data"]))
        service.kill()
        receiver.statuses["/hook"] = [204]
        service.start()
    with service.client(key) as client:
        told = wait_until(lambda: _all_delivered(client.get(place).json()["data"]))
        secret = client.get("/api/v1/webhooks/secret").json()["secret"]
    assert [delivery["type"] for delivery in told] == ["job.running", "job.succeeded"]
    last = {headers["webhook-id"]: (headers, body) for _, headers, body in receiver.messages}
    assert set(last) == {delivery["id"] for delivery in told}
    for headers, body in last.values():
        data = Webhook(secret).verify(body, headers)["data"]
        assert (data["id"], data["status"]) == (job["id"], "succeeded")
    assert secret not in service.log.read_text()


def test_an_address_of_the_inner_network_is_refused_when_the_job_is_made(standing):
    with standing.client() as client:
        answer = client.post(
            "/api/v1/jobs", json={"front": FRONT["front_image"]} | {"webhook_url": "http://169.254.169.254/"}
        )

    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")


def _all_delivered(deliveries):
    return deliveries if all(delivery["status"] == "delivered" for delivery in deliveries) else None
