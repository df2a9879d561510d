"""Starts `loan-engine serve` on a fresh folder, puts it under load, and reports faults (see scripts/soak.sh)."""

import argparse
import collections
import concurrent.futures
import csv
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

HERE = pathlib.Path(__file__).parent
PASSWORD = "a-password-for-soaking"
HEADER = "Loan #,UPB,Rate,LTV,DTI,FICO,Prop Type,Occ,Purpose,Sales Price,Appraised Value,County\n"
USERS = 20
# Runs that the clients read: their number, and the number of loans of each.
PREPARED_RUNS, PREPARED_LOANS = 10, 20_000
SMALL_LOANS = 50
# Memory that the process may gain after the warm-up, in MiB. The memory that it keeps by design is bounded, but fills slowly: the
# allocator's free pages, SQLite's page caches, remembered users and runs, stacks of threads that wait for work.
GROWTH_MIB = 48
QUEUE_PATIENCE = 1800


def tape(loans):
    rows = []
    for at in range(loans):
        ltv = "97.01" if at % 4 == 0 else "80"
        rows.append(f'{at:07},"$250,000.00",8.85,{ltv},35.5,740,SFR,P,purchase,312500,315000,Kings\n')
    return HEADER + "".join(rows)


class Server:
    """A process of `serve`."""

    def __init__(self, binary, folder):
        self.log = open(folder / "log", "w", encoding="utf-8")
        environment = {"LOAN_ENGINE_ADMIN_PASSWORD": PASSWORD, "LOG_LEVEL": "warn"}
        command = [str(binary), "serve", "--port", "0", "--data-dir", str(folder / "data")]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.log, env=environment, text=True)
        self.address = None
        for line in self.process.stdout:
            if " serves on " in line:
                self.address = line.split(" serves on ")[1].split(",")[0].strip()
                break
        if self.address is None:
            sys.exit(f"serve does not start: see {folder / 'log'}")
        self.token = self.log_in("admin")

    def ask(self, method, path, body=None, content_type="application/json", token=None, more=None):
        headers = {"content-type": content_type, **(more or {})}
        if token or getattr(self, "token", None):
            headers["authorization"] = "Bearer " + (token or self.token)
        data = body.encode() if isinstance(body, str) else body
        request = urllib.request.Request(self.address + path, data=data, method=method, headers=headers)
        with urllib.request.urlopen(request, timeout=120) as reply:
            return json.loads(reply.read()), reply.headers

    def log_in(self, username):
        form = f"username={username}&password={PASSWORD}"
        return self.ask("POST", "/api/auth/login", form, "application/x-www-form-urlencoded")[0]["access_token"]

    def put(self, path, content):
        body = f'--b\r\ncontent-disposition: form-data; name="file"; filename="f.csv"\r\n\r\n{content}\r\n--b--\r\n'
        self.ask("POST", f"/api/files/upload?path={path}", body, "multipart/form-data; boundary=b")

    def start(self, file, wait=False, key=None):
        more = {"prefer": "wait=25"} if wait else {}
        if key:
            more["idempotency-key"] = key
        return self.ask("POST", "/api/pipeline/run", json.dumps({"files": [file]}), more=more)[0]

    def runs(self):
        """Reads all runs, page by page."""
        path, found = "/api/runs?limit=1000", []
        while path:
            page, headers = self.ask("GET", path)
            found += page
            links = [link for link in (headers["link"] or "").split(",") if 'rel="next"' in link]
            path = links[0].split("<")[1].split(">")[0] if links else None
        return found

    def memory(self):
        """Resident memory in MiB: the total, and the anonymous part, which no file backs."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text(encoding="utf-8")
        values = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
        return tuple(int(values[name].split()[0]) / 1024 for name in ("VmRSS", "RssAnon"))

    def stop(self):
        self.process.terminate()
        return self.process.wait(timeout=120)


def ended(server, patience):
    """Waits until no run is under way. Returns all runs."""
    since = time.monotonic()
    while any(server.ask("GET", f"/api/runs?limit=1&status={status}")[0] for status in ("pending", "running")):
        if time.monotonic() - since > patience:
            sys.exit("runs did not end in time")
        time.sleep(0.5)
    return server.runs()


def faults_of(runs, started):
    """Returns the faults of runs. Each run that was started must be listed once and completed."""
    ids = collections.Counter(run["run_id"] for run in runs)
    faults = [f"run {run} is listed {times} times" for run, times in ids.items() if times > 1]
    faults += [f"run {run} is missing" for run in started if run not in ids]
    faults += [f"run {run['run_id']} is {run['status']}: {run['error']}" for run in runs if run["status"] != "completed"]
    faults += [f"run {run['run_id']} has {run['total_loans']} loans" for run in runs if not run["total_loans"]]
    return faults


def queue(server, count):
    """Queues many small runs at once. All of them must finish."""
    server.put("small.csv", tape(SMALL_LOANS))
    begun = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(50) as pool:
        started = list(pool.map(lambda at: server.start("small.csv", key=f"queue-{at}")["run_id"], range(count)))
    queued = time.monotonic() - begun
    waiting = sum(run["status"] in ("pending", "running") for run in server.runs())
    runs = ended(server, QUEUE_PATIENCE)
    seconds = time.monotonic() - begun
    faults = faults_of(runs, started)
    if len(runs) != count or len(set(started)) != count:
        faults.append(f"{count} runs were started, and {len(runs)} are listed")
    print(f"{count} runs of {SMALL_LOANS} loans, queued in {queued:.1f} s, of which {waiting} were waiting then")
    print(f"all had ended after {seconds:.1f} s; {sum(run['status'] == 'completed' for run in runs)} are completed, each listed once")
    return faults


def prepare(server, folder):
    """Creates the users and runs that the clients work with."""
    users = [{"username": f"soak_{at}"} for at in range(USERS)]
    for user in users:
        name = user["username"]
        body = {"username": name, "email": f"{name}@example.com", "password": PASSWORD, "role": "analyst"}
        server.ask("POST", "/api/auth/register", json.dumps(body))
        user["token"] = server.log_in(name)
    server.put("small.csv", tape(SMALL_LOANS))
    server.put("large.csv", tape(PREPARED_LOANS))
    runs = [server.start("large.csv", wait=True)["run_id"] for _ in range(PREPARED_RUNS)]
    ended(server, QUEUE_PATIENCE)
    file = folder / "prepared.json"
    prepared = {
        "users": users,
        "password": PASSWORD,
        "runs": [{"id": run, "loans": PREPARED_LOANS} for run in runs],
        "tape": tape(SMALL_LOANS),
    }
    file.write_text(json.dumps(prepared), encoding="utf-8")
    return file


def soak(server, folder, minutes, clients):
    """Puts the server under load for some minutes. Returns the faults."""
    environment = {**os.environ, "SOAK_FILE": str(prepare(server, folder))}
    seconds, stop = int(minutes * 60), threading.Event()
    samples = []

    def watch():
        begun = time.monotonic()
        while not stop.wait(1):
            samples.append((time.monotonic() - begun, *server.memory(), os.getloadavg()[0]))

    watching = threading.Thread(target=watch)
    watching.start()
    command = [sys.executable, "-m", "locust", "-f", str(HERE / "locustfile.py"), "--headless", "--host", server.address]
    command += ["--users", str(clients), "--spawn-rate", "20", "--run-time", f"{seconds}s", "--stop-timeout", "60"]
    command += ["--csv", str(folder / "locust"), "--only-summary", "--exit-code-on-error", "0", "--loglevel", "WARNING"]
    with open(folder / "locust.log", "w", encoding="utf-8") as log:
        code = subprocess.run(command, env=environment, stdout=log, stderr=log, check=False).returncode
    stop.set()
    watching.join()
    faults = [f"the load generator failed: see {folder / 'locust.log'}"] if code else []
    runs = ended(server, QUEUE_PATIENCE)
    faults += faults_of(runs, [])

    with open(folder / "locust_stats.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    print(f"{'request':<22}{'count':>8}{'errors':>8}{'p50 ms':>8}{'p95 ms':>8}{'p99 ms':>8}{'max ms':>9}")
    throttled = 0
    for row in rows:
        if row["Type"] == "429":
            throttled += int(row["Request Count"])
            continue
        cells = [row["Request Count"], row["Failure Count"], row["50%"], row["95%"], row["99%"], f"{float(row['Max Response Time']):.0f}"]
        widths = (8, 8, 8, 8, 8, 9)
        print(f"{row['Name']:<22}" + "".join(f"{cell:>{width}}" for cell, width in zip(cells, widths)))
    total = rows[-1]
    print(f"{float(total['Requests/s']):.0f} requests a second by {clients} clients; {throttled} answers were 429")
    if int(total["Failure Count"]):
        faults.append(f"{total['Failure Count']} requests failed")
        with open(folder / "locust_failures.csv", encoding="utf-8") as file:
            faults += [f"{row['Occurrences']} times {row['Name']}: {row['Error']}" for row in csv.DictReader(file)]

    def around(moment):
        near = [sample for sample in samples if abs(sample[0] - moment) <= 10]
        return tuple(sum(sample[at] for sample in near) / len(near) for at in (1, 2))

    end = samples[-1][0]
    # 20 clients start each second. After two minutes, caches and threads have reached their size.
    warm, last = around(min(120, end / 4)), around(end - 10)
    first, peak = samples[0][1], max(sample[1] for sample in samples)
    print("minute: MiB resident, MiB anonymous, load of the machine")
    for at in range(0, len(samples), 60):
        print(f"{at // 60:>6}: {samples[at][1]:.0f}, {samples[at][2]:.0f}, {samples[at][3]:.1f}")
    print(f"MiB resident: first {first:.0f}, warm {warm[0]:.0f}, last {last[0]:.0f}, peak {peak:.0f}; anonymous: {warm[1]:.0f} to {last[1]:.0f}")
    print(f"{len(runs)} runs, all ended")
    if last[1] - warm[1] > GROWTH_MIB:
        faults.append(f"memory grew by {last[1] - warm[1]:.0f} MiB after the warm-up; {GROWTH_MIB} are allowed")
    return faults


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", required=True, type=pathlib.Path)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--queue", type=int, help="queue this number of small runs at once, instead of the load")
    parser.add_argument("--keep", type=pathlib.Path, help="an empty folder for data and logs, which are kept there")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        folder = (asked.keep or pathlib.Path(made)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        server = Server(asked.binary.resolve(), folder)
        try:
            faults = queue(server, asked.queue) if asked.queue else soak(server, folder, asked.minutes, asked.clients)
            if server.stop() != 0:
                faults.append("serve did not stop with exit code 0")
        finally:
            server.process.kill()
        errors = [line for line in (folder / "log").read_text(encoding="utf-8").splitlines() if '"level":"ERROR"' in line]
        faults += errors[:5]
    for fault in faults[:20]:
        print("FAULT", fault)
    print("failed" if faults else "no fault")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
