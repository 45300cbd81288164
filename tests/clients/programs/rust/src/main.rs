//! The cases with one of Rust's clients: client CLIENT URL FOLDER SILENCE_S CASE...

use std::error::Error;
use std::io::{Cursor, Read};
use std::time::Duration;

type Answer = (u16, String);
type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

const JSON: &str = "application/json";
const GAVE_UP: &str = "gave up";

/// How a call differs from an ordinary one.
#[derive(Clone)]
struct Call {
    path: &'static str,
    content_type: &'static str,
    timeout: Duration,
    chunked: bool,
    close: bool,
}

impl Default for Call {
    fn default() -> Self {
        let timeout = Duration::from_secs(60);
        Call { path: "echo", content_type: JSON, timeout, chunked: false, close: false }
    }
}

enum Client {
    Reqwest(reqwest::blocking::Client),
    Ureq(ureq::Agent),
}

impl Client {
    fn post(&self, url: &str, body: Vec<u8>, call: &Call) -> Outcome<Answer> {
        match self {
            Client::Reqwest(client) => post_reqwest(client, url, body, call),
            Client::Ureq(agent) => post_ureq(agent, url, body, call),
        }
    }
}

fn post_reqwest(client: &reqwest::blocking::Client, url: &str, body: Vec<u8>, call: &Call) -> Outcome<Answer> {
    let mut request = client.post(url).header("Content-Type", call.content_type).timeout(call.timeout);
    if call.close {
        request = request.header("Connection", "close");
    }
    let body = if call.chunked { reqwest::blocking::Body::new(Cursor::new(body)) } else { body.into() };
    let answer = request.body(body).send().map_err(|error| told(error.is_timeout(), Box::new(error)))?;
    Ok((answer.status().as_u16(), answer.text()?))
}

fn post_ureq(agent: &ureq::Agent, url: &str, body: Vec<u8>, call: &Call) -> Outcome<Answer> {
    let mut request = agent.post(url).set("Content-Type", call.content_type).timeout(call.timeout);
    if call.close {
        request = request.set("Connection", "close");
    }
    let sent = if call.chunked { request.send(Cursor::new(body)) } else { request.send_bytes(&body) };
    let answer = match sent {
        Ok(answer) | Err(ureq::Error::Status(_, answer)) => answer,
        Err(error) => {
            let timed_out = error.to_string().contains("timed out");
            return Err(told(timed_out, Box::new(error)));
        }
    };
    let status = answer.status();
    let mut text = String::new();
    answer.into_reader().take(64 << 20).read_to_string(&mut text)?;
    Ok((status, text))
}

fn told(timed_out: bool, error: Box<dyn Error + Send + Sync>) -> Box<dyn Error + Send + Sync> {
    if timed_out { GAVE_UP.into() } else { error }
}

struct Cases {
    client: Client,
    url: String,
    folder: String,
    silence: Duration,
}

impl Cases {
    fn body(&self, name: &str) -> Outcome<Vec<u8>> {
        Ok(std::fs::read(format!("{}/{name}.json", self.folder))?)
    }

    fn post(&self, name: &str, call: &Call) -> Outcome<Answer> {
        self.client.post(&format!("{}/{}", self.url, call.path), self.body(name)?, call)
    }

    fn expect(&self, name: &str, call: Call, wanted: u16, part: &str) -> Outcome<()> {
        let (status, text) = self.post(name, &call)?;
        if status != wanted {
            return Err(format!("{status} in place of {wanted}: {text:.200}").into());
        }
        if !text.contains(part) {
            return Err(format!("not in the answer: {part:.60}: {text:.200}").into());
        }
        Ok(())
    }

    fn call(&self) -> Outcome<()> {
        self.expect("call", Call::default(), 200, "aGVsbG8=")
    }

    fn run(&self, name: &str) -> Outcome<()> {
        match name {
            "call" => self.call(),
            "keepalive" => (0..200).try_for_each(|_| self.call()),
            "parallel" => std::thread::scope(|scope| {
                let threads: Vec<_> = (0..20).map(|_| scope.spawn(|| self.call())).collect();
                threads.into_iter().try_for_each(|thread| thread.join().expect("a thread ends"))
            }),
            "upload" => {
                let sent: serde_json::Value = serde_json::from_slice(&self.body("upload")?)?;
                let text = sent["payload"]["text"]["text"].as_str().ok_or("no text")?;
                self.expect("upload", Call::default(), 200, text)
            }
            "error" => {
                self.expect("bad", Call::default(), 400, "\"errors\"")?;
                self.call()
            }
            "slow" => self.expect("slow", Call { path: "patient", ..Call::default() }, 200, "\"payload\""),
            "abort" => {
                let timeout = Duration::from_millis(300);
                match self.post("slow", &Call { path: "patient", timeout, ..Call::default() }) {
                    Err(error) if error.to_string() == GAVE_UP => self.call(),
                    other => Err(format!("it did not give up: {other:?}").into()),
                }
            }
            "charset" => {
                let content_type = "application/json; charset=utf-8";
                self.expect("call", Call { content_type, ..Call::default() }, 200, "aGVsbG8=")
            }
            "chunked" => self.expect("call", Call { chunked: true, ..Call::default() }, 200, "aGVsbG8="),
            "silence" => {
                self.call()?;
                std::thread::sleep(self.silence);
                self.call()
            }
            "early" => {
                self.expect("early", Call { path: "nobody", close: true, ..Call::default() }, 404, "\"header\"")
            }
            _ => Err("no such case".into()),
        }
    }
}

fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1);
    let mut next = || arguments.next().ok_or("too few arguments");
    let client = match next()?.as_str() {
        "ureq" => Client::Ureq(ureq::Agent::new()),
        _ => Client::Reqwest(reqwest::blocking::Client::new()),
    };
    let (url, folder) = (next()?, next()?);
    let silence = Duration::from_secs_f64(next()?.parse()?);
    let cases = Cases { client, url, folder, silence };
    for name in arguments {
        match cases.run(&name) {
            Ok(()) => println!("{name}\tok"),
            Err(error) => println!("{name}\tfailed\t{}", error.to_string().replace(['\n', '\t'], " ")),
        }
    }
    Ok(())
}
