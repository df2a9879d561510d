#!/usr/bin/env python3
"""Measures how fast each Lambda function starts, how much memory it takes and how large it is.

    pip install cargo-lambda
    cargo lambda build --release -p auth -p data -p files -p health -p pipeline -p runner
    scripts/cold_start.py [-n 20] [FOLDER]

The script acts as the Lambda service for one process at a time: it hands the process one event and waits for the answer. FOLDER
is where `cargo lambda build` puts the functions (target/lambda). The script prints, for each function, the medians and the worst
of N fresh processes: `init`, from the start of the process until it asks for its first event; `cold`, from its start until its
first answer has come; the peak of its memory; and its size as a ZIP file. The script needs only Python's standard library, and no
stores: a function answers these events without them.
"""

import argparse
import http.server
import io
import json
import os
import queue
import statistics
import subprocess
import sys
import threading
import time
import zipfile

ENVIRONMENT = {
    "TABLE_NAME": "loan-engine",
    "BUCKET_NAME": "loan-engine",
    "JWT_SECRET": "0123456789abcdef0123456789abcdef",
    "AWS_REGION": "eu-west-1",
    "AWS_ACCESS_KEY_ID": "none",
    "AWS_SECRET_ACCESS_KEY": "none",
    "LOG_LEVEL": "error",
}


def request(method, path):
    """An event of API Gateway."""
    http = {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1", "userAgent": "cold-start"}
    context = {"accountId": "0", "apiId": "a", "domainName": "a.example", "domainPrefix": "a", "http": http, "requestId": "1",
               "routeKey": "$default", "stage": "$default", "time": "25/Nov/2026:00:00:00 +0000", "timeEpoch": 0}
    return {"version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": "", "headers": {"host": "a.example"},
            "requestContext": context, "isBase64Encoded": False}


# For each function, an event that it answers without any store, and a text that the answer must contain.
EVENTS = {
    "auth": (request("GET", "/api/auth/me"), '"statusCode":401'),
    "data": (request("GET", "/api/loans"), '"statusCode":401'),
    "files": (request("GET", "/api/files/list"), '"statusCode":401'),
    "health": (request("GET", "/health"), '"statusCode":200'),
    "pipeline": (request("GET", "/api/runs"), '"statusCode":401'),
    "runner": ({"Records": []}, '"created":[]'),
}


class Service(http.server.ThreadingHTTPServer):
    """Acts as the Lambda service for one process."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Lambda)
        self.events, self.asked, self.answers = queue.Queue(), queue.Queue(), queue.Queue()

    def handle_error(self, *_):
        # Ignore errors: a killed process closes its connections.
        pass


class Lambda(http.server.BaseHTTPRequestHandler):
    """The runtime API of Lambda, which a function asks for events."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.server.asked.put(time.monotonic())
        event = self.server.events.get()
        if event is None:
            self.close_connection = True
            return
        self.send_response(200)
        self.send_header("Lambda-Runtime-Aws-Request-Id", "1")
        self.send_header("Lambda-Runtime-Deadline-Ms", str(int(time.time() * 1000) + 30_000))
        self.send_header("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:eu-west-1:0:function:f")
        self.send_header("Content-Length", str(len(event)))
        self.end_headers()
        self.wfile.write(event)

    def do_POST(self):
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.answers.put((time.monotonic(), self.path, body.decode()))
        self.send_response(202)
        self.send_header("Content-Length", "0")
        self.end_headers()


def peak_memory(process):
    with open(f"/proc/{process.pid}/status") as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM"))


def start(binary, event, expected):
    """Starts a fresh process. Returns the milliseconds until it asks for an event and until it has answered, and its peak MiB."""
    server = Service()
    server.events.put(json.dumps(event).encode())
    threading.Thread(target=server.serve_forever, daemon=True).start()
    function = {"AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{server.server_port}", "AWS_LAMBDA_FUNCTION_NAME": "f",
                "AWS_LAMBDA_FUNCTION_VERSION": "1", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1769"}
    begun = time.monotonic()
    process = subprocess.Popen([binary], env={**ENVIRONMENT, **function}, stdout=subprocess.DEVNULL)
    try:
        asked = server.asked.get(timeout=10)
        answered, path, body = server.answers.get(timeout=10)
        memory = peak_memory(process)
    except queue.Empty:
        sys.exit(f"{binary} gives no answer")
    finally:
        process.kill()
        process.wait()
        server.events.put(None)
        server.shutdown()
        server.server_close()
    if not path.endswith("/response") or expected not in body:
        sys.exit(f"{binary} answers {path} {body[:300]}")
    return (asked - begun) * 1000, (answered - begun) * 1000, memory


def zipped(binary):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.write(binary, "bootstrap")
    return len(archive.getvalue()) / 1e6


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-n", type=int, default=20, help="fresh processes of each function")
    parser.add_argument("folder", nargs="?", default="target/lambda")
    arguments = parser.parse_args()
    print(f"{'function':10} {'init ms':>8} {'cold ms':>8} {'worst ms':>9} {'peak MB':>8} {'zip MB':>7}")
    for name, (event, expected) in EVENTS.items():
        binary = os.path.join(arguments.folder, name, "bootstrap")
        inits, colds, memories = zip(*(start(binary, event, expected) for _ in range(arguments.n)))
        print(f"{name:10} {statistics.median(inits):8.1f} {statistics.median(colds):8.1f} {max(colds):9.1f} {max(memories):8.1f} "
              f"{zipped(binary):7.2f}")


if __name__ == "__main__":
    main()
