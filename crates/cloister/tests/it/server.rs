//! A small HTTP server on the loopback address that says what a test tells it to and remembers what it was asked.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// One answer.
#[derive(Clone, Default)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) kind: &'static str,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// Announce the whole body, send only this many bytes, and hang up.
    pub(crate) cut_after: Option<usize>,
    /// Wait this long before each kilobyte.
    pub(crate) pause_per_kilobyte: Option<std::time::Duration>,
}

/// A question that was asked.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) path: String,
    pub(crate) headers: HashMap<String, String>,
}

pub(crate) struct Server {
    pub(crate) url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    answers: Arc<Mutex<HashMap<String, Answer>>>,
}

impl Answer {
    pub(crate) fn ok(kind: &'static str, body: impl Into<Vec<u8>>) -> Self {
        Self { status: 200, kind, body: body.into(), ..Self::default() }
    }

    pub(crate) fn json(body: &serde_json::Value) -> Self {
        Self::ok("application/json", body.to_string())
    }

    pub(crate) fn status(status: u16) -> Self {
        Self { status, kind: "text/plain", ..Self::default() }
    }

    pub(crate) fn redirect(to: &str) -> Self {
        Self { headers: vec![("location".into(), to.into())], ..Self::status(302) }
    }
}

impl Server {
    /// Starts listening; what has no answer is a 404. The thread ends with the test process.
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = Self { url, asked: Arc::default(), answers: Arc::default() };
        let (asked, answers) = (server.asked.clone(), server.answers.clone());
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (asked, answers) = (asked.clone(), answers.clone());
                thread::spawn(move || serve(stream, &asked, &answers));
            }
        });
        server
    }

    pub(crate) fn answer(&self, path: &str, answer: Answer) {
        self.answers.lock().unwrap().insert(path.into(), answer);
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

fn serve(stream: TcpStream, asked: &Mutex<Vec<Asked>>, answers: &Mutex<HashMap<String, Answer>>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut line = String::new();
    if reader.read_line(&mut line).is_err() || line.is_empty() {
        return;
    }
    let path = line.split(' ').nth(1).unwrap_or("").to_owned();
    let mut headers = HashMap::new();
    loop {
        let mut header = String::new();
        if reader.read_line(&mut header).is_err() || header.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = header.split_once(':') {
            headers.insert(name.to_lowercase(), value.trim().to_owned());
        }
    }
    let answer = answers.lock().unwrap().get(&path).cloned().unwrap_or(Answer::status(404));
    asked.lock().unwrap().push(Asked { path, headers });
    // A client that hangs up early is part of some tests.
    let _ = send(stream, &answer);
}

fn send(mut stream: TcpStream, answer: &Answer) -> std::io::Result<()> {
    write!(stream, "HTTP/1.1 {} X\r\ncontent-length: {}\r\n", answer.status, answer.body.len())?;
    write!(stream, "content-type: {}\r\nconnection: close\r\n", answer.kind)?;
    for (name, value) in &answer.headers {
        write!(stream, "{name}: {value}\r\n")?;
    }
    stream.write_all(b"\r\n")?;
    let body = &answer.body[..answer.cut_after.unwrap_or(answer.body.len())];
    for kilobyte in body.chunks(1024) {
        if let Some(pause) = answer.pause_per_kilobyte {
            thread::sleep(pause);
        }
        stream.write_all(kilobyte)?;
    }
    stream.flush()
}
