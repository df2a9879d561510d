//! The real command in its own process, which serves on a free port, and a small client that talks to it over a socket.

use std::{
    collections::HashMap,
    fs::File,
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Output, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;

use crate::{crashes::CLIENTS_PASSWORD, support::app::PASSWORD};

/// The password of the first administrator.
pub const ADMIN_PASSWORD: &str = "a password for admin";
/// Time limit for what normally takes a moment, long enough for a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// The command, in a folder and with an empty environment.
pub fn command(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_loan-engine-under-test"));
    command.args(args).current_dir(folder).env_clear().stdin(Stdio::null());
    command
}

/// Runs a command with this input, waits until it has ended, and asserts that its error output shows no secret.
pub fn give(folder: &Path, args: &[&str], variables: &[(&str, &str)], input: &str) -> Output {
    let mut command = command(folder, args);
    command.envs(variables.iter().copied()).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A command that reads no input may have ended already.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    assert_says_no_secret(&text(&output.stderr), folder);
    output
}

/// The output of a command as text.
pub fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

pub fn signal(process: &Child, name: &str) {
    assert!(Command::new("kill").args([name, &process.id().to_string()]).status().unwrap().success());
}

/// A process that serves.
pub struct Process {
    child: Child,
    out: BufReader<ChildStdout>,
    /// The lines that the process has printed.
    pub said: Vec<String>,
    folder: PathBuf,
}

/// Texts that no log of any process may contain: beginnings of tokens, parts of signatures, password hashes, and all passwords
/// that the tests use.
const UNSPEAKABLE: [&str; 9] =
    ["eyJ", "Bearer ", "X-Amz-", "AWS4-HMAC-SHA256", "$argon2", ADMIN_PASSWORD, PASSWORD, CLIENTS_PASSWORD, "wrong horse"];

impl Process {
    /// Starts a command, with its logs in the file `log` of the folder, and waits until it prints a line that contains `last`.
    pub fn start(folder: &Path, args: &[&str], variables: &[(&str, &str)], last: &str) -> Self {
        let log = File::options().append(true).create(true).open(folder.join("log")).unwrap();
        let mut command = command(folder, args);
        // `drop` checks the whole log for secrets, so the process logs as much as it can.
        let mut child =
            command.env("LOG_LEVEL", "trace").envs(variables.iter().copied()).stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut said: Vec<String> = Vec::new();
        while said.last().is_none_or(|line| !line.contains(last)) {
            let mut line = String::new();
            let read = out.read_line(&mut line).unwrap();
            assert!(read > 0, "{said:?} {}", std::fs::read_to_string(folder.join("log")).unwrap());
            said.push(line.trim_end().to_owned());
        }
        Self { child, out, said, folder: folder.to_owned() }
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, name: &str) {
        signal(&self.child, name);
    }

    /// Sends SIGTERM to the process, and returns its exit code and the rest of its output.
    pub fn stop(mut self) -> (Option<i32>, String) {
        self.signal("-TERM");
        let mut rest = String::new();
        self.out.read_to_string(&mut rest).unwrap();
        (self.child.wait().unwrap().code(), rest)
    }
}

impl Drop for Process {
    /// Kills the process like `kill -9`, so that it has no time to finish anything.
    fn drop(&mut self) {
        // The process may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if !std::thread::panicking() {
            assert_discreet(&self.folder);
        }
    }
}

/// Asserts that no line of the log in a folder shows a secret.
pub fn assert_discreet(folder: &Path) {
    assert_says_no_secret(&std::fs::read_to_string(folder.join("log")).unwrap(), folder);
}

/// Asserts that no line of a process's log or error output shows a secret.
fn assert_says_no_secret(said: &str, folder: &Path) {
    // A process that was killed early has not written its secrets.
    let kept = std::fs::read_to_string(folder.join("data/secrets.json")).unwrap_or_else(|_| "{}".to_owned());
    let kept: HashMap<String, String> = serde_json::from_str(&kept).unwrap();
    for secret in UNSPEAKABLE.into_iter().chain(kept.values().map(String::as_str)) {
        let line = said.lines().find(|line| line.contains(secret));
        assert!(line.is_none(), "the log tells `{secret}`: {}", line.unwrap_or_default());
    }
}

/// `loan-engine serve`, with its data in the folder `data`.
pub struct Server {
    pub process: Process,
    /// URL of the server, without a slash at its end.
    pub address: String,
}

impl Server {
    /// Starts a new server in a new folder.
    pub fn new() -> (TempDir, Self) {
        let folder = tempfile::tempdir().unwrap();
        let server = Self::start(folder.path(), &[("LOAN_ENGINE_ADMIN_PASSWORD", ADMIN_PASSWORD)]);
        (folder, server)
    }

    /// Starts a server in a folder.
    pub fn start(folder: &Path, variables: &[(&str, &str)]) -> Self {
        let process = Process::start(folder, &["serve", "--port", "0", "--data-dir", "data"], variables, " serves on ");
        let last = process.said.last().unwrap();
        let address = last.split_once(" serves on ").unwrap().1.split(',').next().unwrap().to_owned();
        Self { process, address }
    }

    /// Sends a request to a path of the server.
    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        send(method, &format!("{}{path}", self.address), headers, body)
    }

    /// Tries to log in, with additional headers.
    pub fn try_log_in(&self, username: &str, password: &str, headers: &[(&str, &str)]) -> Reply {
        let form = format!("username={username}&password={}", password.replace(' ', "+"));
        let headers = [&[("content-type", "application/x-www-form-urlencoded")], headers].concat();
        self.send("POST", "/api/auth/login", &headers, form.as_bytes())
    }

    pub fn log_in(&self, username: &str, password: &str) -> Session<'_> {
        let logged_in = self.try_log_in(username, password, &[]).expect(200);
        Session { server: self, token: logged_in["access_token"].as_str().unwrap().to_owned() }
    }

    /// Logs in as the administrator.
    pub fn admin(&self) -> Session<'_> {
        self.log_in("admin", ADMIN_PASSWORD)
    }
}

/// A user who is logged in.
pub struct Session<'s> {
    server: &'s Server,
    token: String,
}

impl Session<'_> {
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Sends a request with the user's token.
    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        let bearer = format!("Bearer {}", self.token);
        self.server.send(method, path, &[&[("authorization", bearer.as_str())], headers].concat(), body)
    }

    /// Sends a GET with the user's token.
    pub fn get(&self, path: &str) -> Reply {
        self.send("GET", path, &[], b"")
    }

    /// Sends a POST of JSON with the user's token.
    pub fn post(&self, path: &str, headers: &[(&str, &str)], body: &Value) -> Reply {
        let headers = [&[("content-type", "application/json")], headers].concat();
        self.send("POST", path, &headers, body.to_string().as_bytes())
    }

    /// Uploads a file through a presigned URL that `change` may alter.
    pub fn put_presigned(&self, path: &str, body: &[u8], change: impl Fn(String) -> String) -> Reply {
        let signed = self.get(&format!("/api/files/url/{path}?method=put")).expect(200);
        let headers: Vec<(String, String)> = serde_json::from_value::<HashMap<String, String>>(signed["headers"].clone())
            .unwrap()
            .into_iter()
            .filter(|(name, _)| !["host", "content-length"].contains(&name.as_str()))
            .collect();
        let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        send("PUT", &change(signed["url"].as_str().unwrap().to_owned()), &headers, body)
    }

    /// Repeats a GET until its answer satisfies `is`.
    pub fn wait_for(&self, path: &str, is: impl Fn(&Value) -> bool) -> Value {
        let started = Instant::now();
        loop {
            let answer = self.get(path).expect(200);
            if is(&answer) {
                return answer;
            }
            assert!(started.elapsed() < PATIENCE, "{path}: {answer}");
        }
    }

    /// Waits until the only run has completed.
    pub fn wait_for_the_run(&self) -> Value {
        let runs = self.wait_for("/api/runs", |runs| {
            let runs = runs.as_array().unwrap();
            assert!(runs.len() <= 1 && runs.iter().all(|run| run["status"] != "failed"), "{runs:?}");
            runs.iter().any(|run| run["status"] == "completed")
        });
        runs[0].clone()
    }
}

pub struct Reply {
    pub status: u16,
    pub headers: HashMap<String, String>,
    pub bytes: Vec<u8>,
}

impl Reply {
    /// The body as text.
    pub fn text(&self) -> String {
        text(&self.bytes)
    }

    /// Whether the body is complete.
    pub fn is_whole(&self) -> bool {
        self.headers.get("content-length").is_none_or(|length| *length == self.bytes.len().to_string())
    }

    /// The JSON body, if the status is the expected one.
    pub fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.bytes));
        serde_json::from_slice(&self.bytes).unwrap()
    }
}

/// Sends a request over a socket.
pub fn send(method: &str, url: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
    send_announcing(body.len() as u64, method, url, headers, body)
}

/// Sends a request that announces this length for its body.
pub fn send_announcing(length: u64, method: &str, url: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
    let mut stream = begin(length, method, url, headers).unwrap();
    // The server may reject a request before it has read the body.
    let _ = stream.write_all(body);
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    reply(&answer).unwrap()
}

/// Sends a request to a server that may end at any moment. Returns what arrived of the answer, if at least its head did.
pub fn try_send(method: &str, url: &str, headers: &[(&str, &str)], body: &[u8]) -> Option<Reply> {
    let mut stream = begin(body.len() as u64, method, url, headers).ok()?;
    let _ = stream.write_all(body);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    reply(&answer)
}

/// Connects and sends the head of a request.
fn begin(length: u64, method: &str, url: &str, headers: &[(&str, &str)]) -> io::Result<TcpStream> {
    let (host, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut stream = TcpStream::connect(host)?;
    // With HTTP/1.0, the server closes the connection after its answer, so the client reads all of the answer.
    let mut head = format!("{method} /{path} HTTP/1.0\r\nhost: {host}\r\ncontent-length: {length}\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    stream.write_all(format!("{head}\r\n").as_bytes())?;
    Ok(stream)
}

/// Parses an answer, if its head is whole.
fn reply(answer: &[u8]) -> Option<Reply> {
    let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n")?;
    let head = text(&answer[..end]);
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let pair = |line: &str| line.split_once(": ").map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()));
    Some(Reply { status, headers: lines.filter_map(pair).collect(), bytes: answer[end + 4..].to_vec() })
}
