#!/usr/bin/env bash
# Runs `loan-engine run` on tapes that are large to send, and starts such an upload to `serve`: 10 GB of zeros, one line of 1 GB,
# a header of 1 GB, a quotation mark that 1 GB never closes, a million columns, ten million empty lines. Each must end with the
# result named here, in less than 512 MB of memory. The script creates the files in a temporary folder, which needs 3 GB of disk.
# Smaller inputs are in tests/bombs.rs.
#
#     scripts/huge_input.sh [LOAN_ENGINE]      (a release build; target/release/loan-engine unless another is named)
set -euo pipefail
cd "$(dirname "$0")/.."

engine="$(realpath "${1:-${CARGO_TARGET_DIR:-target}/release/loan-engine}")"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 143' TERM INT
cd "$folder"

python3 - "$engine" <<'PYTHON'
import json, os, socket, subprocess, sys, time

ENGINE, MEMORY = sys.argv[1], 512 * 1024
HEADER = (
    "seller_loan_number,loan_amount,note_rate,ltv_ratio,dti_ratio,credit_score,property_type,occupancy_status,loan_purpose,"
    "purchase_price,appraisal_value"
)
GOOD = "250000,6.5,80,35,720,sfr,primary,purchase,312500,312500"
MIB, GIB = 1 << 20, 1 << 30
failures = 0


def repeated(piece, size):
    """Returns a function that writes a piece again and again, up to a size."""

    def write(file):
        block = piece.encode() * (MIB // len(piece))
        for _ in range(size // MIB):
            file.write(block)

    return write


def text(*parts):
    def write(file):
        for part in parts:
            file.write(part.encode()) if isinstance(part, str) else part(file)

    return write


def sparse(size):
    return lambda file: file.truncate(size)


def measure(what, name, write, expected):
    """Runs a tape; `expected` is the code of the error, or the number of loans."""
    global failures
    with open(name, "wb") as file:
        write(file)
    started = time.monotonic()
    with open("out", "wb") as out:
        child = subprocess.Popen([ENGINE, "run", name, "--dry-run", "--format", "json"], stdout=out, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(child.pid, 0)
    seconds = time.monotonic() - started
    os.unlink(name)
    run = json.load(open("out"))["run"]
    error = run["error"] or {}
    found = error.get("code", run["total_loans"])
    good = found == expected and os.waitstatus_to_exitcode(status) == (1 if error else 0) and usage.ru_maxrss < MEMORY
    failures += not good
    print(f"{'ok' if good else 'BAD'}  {what}: {found}, {usage.ru_maxrss // 1024} MB, {seconds:.1f} s", error.get("message", ""), flush=True)


good = "".join(f"L{at},{GOOD}\n" for at in range(1000))
measure("10 GB of zeros", "zeros.csv", sparse(10 * GIB), "no_header")
measure("10 GB of zeros, called a workbook", "zeros.xlsx", sparse(10 * GIB), "corrupt_workbook")
measure("a line of 1 GB", "line.csv", repeated("x", GIB), "no_header")
measure("a header of 1 GB", "header.csv", text(HEADER, repeated(",x", GIB), "\n", good), "no_header")
measure("a million columns", "columns.csv", text(HEADER, ",x" * 1_000_000, "\n", good), "header_too_large")
measure("a row of 1 GB among loans", "row.csv", text(HEADER, "\n", good, "L,", repeated("x", GIB), "\n", good.replace("L", "M")), 2001)
measure(
    "a quotation mark that 1 GB does not close", "quote.csv", text(HEADER, "\n", good, '"', repeated("x", GIB), "\n", good.replace("L", "M")), 2001
)
measure("a cell of 1 GB in quotation marks", "cell.csv", text(HEADER, "\n", good, '"', repeated("x", GIB), '",1\n'), 1001)
measure("ten million empty lines", "lines.csv", text(HEADER, "\n", "\n" * 10_000_000), "no_data_rows")
measure("10 GB of empty space below the loans", "tail.csv", lambda file: (text(HEADER, "\n", good, "\n")(file), file.truncate(10 * GIB)), 1001)


def serve():
    """Starts an upload of 10 GB, which the server must reject before the client sends the body."""
    global failures
    variables = {"LOAN_ENGINE_ADMIN_PASSWORD": "a password for admin"}
    server = subprocess.Popen(
        [ENGINE, "serve", "--port", "0", "--data-dir", "data"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=variables, text=True
    )
    try:
        for line in server.stdout:
            if " serves on " in line:
                address = line.split("http://")[1].split(",")[0].strip()
                break
        host, port = address.split(":")

        def ask(request):
            with socket.create_connection((host, int(port)), timeout=60) as wire:
                wire.sendall(request.replace("\n", "\r\n").encode())
                return wire.recv(MIB).decode()

        body = "username=admin&password=a+password+for+admin"
        kind = "application/x-www-form-urlencoded"
        head = f"POST /api/auth/login HTTP/1.1\nHost: {address}\nContent-Type: {kind}\nContent-Length: {len(body)}\nConnection: close\n\n"
        token = ask(head + body).split('"access_token":"')[1].split('"')[0]
        started = time.monotonic()
        answer = ask(
            f"POST /api/files/upload HTTP/1.1\nHost: {address}\nAuthorization: Bearer {token}\n"
            f"Content-Type: multipart/form-data; boundary=x\nContent-Length: {10 * GIB}\n\n--x\n"
        )
        seconds = time.monotonic() - started
        peak = next(int(line.split()[1]) for line in open(f"/proc/{server.pid}/status") if line.startswith("VmHWM"))
        good = answer.startswith("HTTP/1.1 413") and "/api/files/url/" in answer and peak < MEMORY
        failures += not good
        print(f"{'ok' if good else 'BAD'}  an upload of 10 GB: {answer.splitlines()[0]}, {peak // 1024} MB, {seconds:.1f} s", flush=True)
    finally:
        server.terminate()
        server.wait()


serve()
sys.exit(failures)
PYTHON
