"""What one client of `loan-engine serve` does: mostly reading, now and then an upload, a run, a log-in.

`SOAK_FILE` names a JSON file with users and runs that soak.py has made.
"""

import json
import os
import random
import uuid

from locust import FastHttpUser, between, task

with open(os.environ["SOAK_FILE"], encoding="utf-8") as file:
    PREPARED = json.load(file)
TAPE = PREPARED["tape"].encode()


class Client(FastHttpUser):
    """A user at work: a request, and a moment to look at the answer."""

    wait_time = between(0.3, 1.2)
    network_timeout = 60
    connection_timeout = 60

    def on_start(self):
        self.user = random.choice(PREPARED["users"])
        self.number = uuid.uuid4().hex[:12]
        self.headers = {"authorization": "Bearer " + self.user["token"]}
        self.mine = []

    def ask(self, name, method, path, expected=(200,), **more):
        """Sends a request. 429 (too many at once) is an answer that a client must expect, and no error."""
        headers = {**self.headers, **more.pop("headers", {})}
        with self.client.request(method, path, name=name, headers=headers, catch_response=True, **more) as reply:
            if reply.status_code == 429:
                reply.success()
                self.environment.events.request.fire(
                    request_type="429", name=name, response_time=0, response_length=0, exception=None, context={}
                )
            elif reply.status_code not in expected:
                reply.failure(f"{reply.status_code}: {(reply.text or '')[:300]}")
            else:
                reply.success()
                return reply
        return None

    def some_run(self):
        return random.choice(PREPARED["runs"])

    def upload(self, name, path, content):
        boundary = "soak"
        head = f'--{boundary}\r\ncontent-disposition: form-data; name="file"; filename="f.csv"\r\n\r\n'
        body = head.encode() + content + f"\r\n--{boundary}--\r\n".encode()
        headers = {"content-type": f"multipart/form-data; boundary={boundary}"}
        return self.ask(name, "POST", f"/api/files/upload?path={path}", headers=headers, data=body)

    @task(10)
    def runs(self):
        self.ask("list runs", "GET", "/api/runs?limit=50")

    @task(8)
    def one_run(self):
        self.ask("get run", "GET", f"/api/runs/{self.some_run()['id']}")

    @task(8)
    def summary(self):
        self.ask("get summary", "GET", f"/api/summary/{self.some_run()['id']}")

    @task(14)
    def loans(self):
        run = self.some_run()
        skip = random.randrange(run["loans"])
        self.ask("page of loans", "GET", f"/api/loans?run_id={run['id']}&skip={skip}&limit=100")

    @task(10)
    def exceptions(self):
        run = self.some_run()
        skip = random.randrange(run["loans"] // 4)
        self.ask("page of exceptions", "GET", f"/api/exceptions?run_id={run['id']}&skip={skip}&limit=100")

    @task(3)
    def output(self):
        run = self.some_run()
        path = f"/api/runs/{run['id']}/notebook-outputs/rejection_report/download"
        self.ask("download output", "GET", path)

    @task(1)
    def export(self):
        run = self.some_run()
        self.ask("export exceptions", "GET", f"/api/exceptions/export?run_id={run['id']}&format=csv&limit=1000")

    @task(4)
    def files(self):
        self.ask("list files", "GET", "/api/files/list?path=work")

    @task(6)
    def store(self):
        content = os.urandom(random.randrange(1, 100_000))
        self.upload("upload file", f"work/{self.number}.txt", content)

    @task(2)
    def start_run(self):
        headers = {"content-type": "application/json", "idempotency-key": uuid.uuid4().hex}
        body = json.dumps({"files": ["small.csv"]})
        reply = self.ask("start run", "POST", "/api/pipeline/run", (200, 202), headers=headers, data=body)
        if reply:
            self.mine = [*self.mine[-20:], reply.json()["run_id"]]

    @task(3)
    def watch(self):
        if self.mine:
            self.ask("get own run", "GET", f"/api/runs/{random.choice(self.mine)}")

    @task(1)
    def send_in(self):
        self.upload("upload to incoming", f"incoming/{uuid.uuid4().hex}.csv", TAPE)

    @task(2)
    def health(self):
        self.ask("readiness", "GET", "/health/ready")

    @task(1)
    def log_in(self):
        form = f"username={self.user['username']}&password={PREPARED['password']}"
        headers = {"content-type": "application/x-www-form-urlencoded"}
        self.ask("log in", "POST", "/api/auth/login", headers=headers, data=form)
