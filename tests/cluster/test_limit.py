"""Never more than ten keys, whatever arrives at once and by whichever process."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest

from support.server import Server, running

pytestmark = pytest.mark.engines("sqlite", "postgresql")

_CREATE = """
import json, sys, urllib.error, urllib.request
url, token, times = sys.argv[1], sys.argv[2], int(sys.argv[3])
headers = {"Content-Type": "application/json", "Authorization": "Bearer " + token}
sys.stdin.readline()
for _ in range(times):
    request = urllib.request.Request(url, json.dumps({"email": "a@example.com"}).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=120) as answer:
            print(answer.status, json.load(answer)["clientId"])
    except urllib.error.HTTPError as error:
        print(error.code, json.load(error)["code"])
"""


def test_a_hundred_creates_at_once_give_exactly_ten(data_dir: Path):
    """Two servers, so two control planes, on one data directory; ten client processes; a hundred creates."""
    with running(data_dir) as first, running(data_dir) as second:
        account = first.account()
        token = first.token("platform")
        clients = []
        for number in range(10):
            url = f"{(first, second)[number % 2].control}/v1/accounts/{account}/credentials"
            command = [sys.executable, "-c", _CREATE, url, token, "10"]
            clients.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
        for client in clients:
            client.stdin.write("go\n")
            client.stdin.flush()
        lines = [line for client in clients for line in client.communicate(timeout=120)[0].splitlines()]
        assert len(lines) == 100
        created = {line.split()[1] for line in lines if line.startswith("201 ")}
        assert len(created) == 10
        assert {line for line in lines if not line.startswith("201 ")} == {"409 credential_limit_reached"}
        listed = first.call("GET", f"/v1/accounts/{account}/credentials", caller=first.operator).json["credentials"]
        assert {row["clientId"] for row in listed} == created


def test_creates_and_deletes_at_once_never_pass_ten(data_dir: Path):
    with running(data_dir) as server:
        account = server.account()
        path = f"{server.control}/v1/accounts/{account}/credentials"
        headers = server.platform.headers

        def churn(_number: int) -> int:
            most = 0
            with httpx2.Client(headers=headers, timeout=60) as client:
                for _ in range(8):
                    made = client.post(path, json={"email": "a@example.com"})
                    assert made.status_code in {201, 409}, made.text
                    most = max(most, len(client.get(path).json()["credentials"]))
                    if made.status_code == 201:
                        assert client.delete(f"{path}/{made.json()['clientId']}").status_code == 200
            return most

        with ThreadPoolExecutor(16) as threads:
            most = max(threads.map(churn, range(16)))
        assert 0 < most <= 10
        assert json.loads(httpx2.get(path, headers=headers).text)["credentials"] == []
        assert_count_is_true(server, account)


def assert_count_is_true(server: Server, account: str) -> None:
    """The number that holds the limit equals the number of active keys: all ten places can be taken again."""
    for _ in range(10):
        server.key(account)
    refused = server.call(
        "POST", f"/v1/accounts/{account}/credentials", {"email": "a@example.com"}, caller=server.platform
    )
    assert refused.code == "credential_limit_reached"
