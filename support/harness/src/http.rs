//! The pages that the operator serves.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

/// Status and body of a page. `None` where nobody answers.
pub fn get(address: &str, path: &str) -> Option<(u16, String)> {
    get_with(address, path, None)
}

/// The same with one more header.
pub fn get_with(address: &str, path: &str, header: Option<&str>) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(address).ok()?;
    let header = header.map(|header| format!("{header}\r\n")).unwrap_or_default();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{header}\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
}

/// The same, without keeping other tasks from their work.
pub async fn get_async(address: &str, path: &str) -> Option<(u16, String)> {
    let (address, path) = (address.to_owned(), path.to_owned());
    tokio::task::spawn_blocking(move || get(&address, &path)).await.ok()?
}

/// Whether `/readyz` answers 200. Any failure counts as not ready: connections are refused until the operator listens.
pub async fn is_ready(address: &str) -> bool {
    get_async(address, "/readyz").await.is_some_and(|(status, _)| status == 200)
}
