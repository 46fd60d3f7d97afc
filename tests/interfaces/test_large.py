# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
import httpx
import pytest
from interfaces.pictures import V1

MIB = 2**20


@pytest.mark.parametrize("url", ["/api/v1/jobs", V1])
@pytest.mark.parametrize("is_streamed", [False, True])
def test_whoever_sends_too_much_is_told_so_and_not_cut_off(standing, url, is_streamed):
    key = standing.add_key()
    content = (bytes(MIB) for _ in range(150)) if is_streamed else bytes(150 * MIB)

    answer = httpx.post(
        standing.base_url + url, content=content, headers={"x-api-key": key, "content-type": "application/json"}
    )

    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    assert answer.headers["x-remaining-credits"] == "1000"
