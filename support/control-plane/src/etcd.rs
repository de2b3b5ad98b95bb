//! The two calls to etcd that the tests need, through the JSON gateway on its client port.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, TcpStream},
    time::Duration,
};

use serde_json::{Value, json};

use crate::Error;

const TIMEOUT: Duration = Duration::from_secs(30);

/// The revision of the newest write.
pub(crate) fn current_revision(port: u16) -> Result<i64, Error> {
    const PATH: &str = "/v3/kv/range";
    // Any key will do, here a single zero byte: the answer's header has the revision.
    let answer = post(port, PATH, &json!({"key": "AA=="}))?;
    let revision = answer["header"]["revision"].as_str().and_then(|revision| revision.parse().ok());
    revision.ok_or_else(|| Error::EtcdRefused { path: PATH, answer: answer.to_string() })
}

/// Forgets all revisions before `revision` and returns once they are gone from the disk too.
pub(crate) fn compact(port: u16, revision: i64) -> Result<(), Error> {
    // 64-bit integers are strings in the JSON form of protocol buffers.
    post(port, "/v3/kv/compaction", &json!({"revision": revision.to_string(), "physical": true})).map(drop)
}

fn post(port: u16, path: &'static str, body: &Value) -> Result<Value, Error> {
    let answer = exchange(port, path, &body.to_string()).map_err(|source| Error::EtcdUnreachable { path, source })?;
    let content = answer
        .split_once("\r\n\r\n")
        .filter(|(head, _)| head.split_whitespace().nth(1) == Some("200"))
        .and_then(|(_, content)| serde_json::from_str(content).ok());
    content.ok_or(Error::EtcdRefused { path, answer })
}

/// HTTP 1.0, so that the server closes the connection at the end of an answer that is not chunked.
fn exchange(port: u16, path: &str, body: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    let length = body.len();
    write!(stream, "POST {path} HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}
