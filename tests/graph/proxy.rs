//! The proxy variables of the environment. A process reads them once, so the client runs in a second process.

use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

use graph_emulator::Config;
use harness::TOKEN;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

use crate::world::{Graph, NUMBER};

/// A proxy that knows CONNECT, and remembers the first line of every request.
async fn proxy() -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let requests = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&requests);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(tunnel(stream, Arc::clone(&seen)));
        }
    });
    (address, requests)
}

async fn tunnel(mut client: TcpStream, seen: Arc<Mutex<Vec<String>>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    let line = head.lines().next().unwrap().to_owned();
    let target = line.split(' ').nth(1).unwrap().to_owned();
    seen.lock().unwrap().push(line);
    let mut server = TcpStream::connect(target).await.unwrap();
    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
    // Ends when either side does.
    let _ = copy_bidirectional(&mut client, &mut server).await;
}

async fn read_in_a_process_with(graph: &Graph, variables: &[(&str, &str)]) -> Output {
    let directory = tempfile::tempdir().unwrap();
    let ca = directory.path().join("ca.pem");
    std::fs::write(&ca, graph.emulator.ca_pem().unwrap()).unwrap();
    // Cargo builds examples with the tests, into the folder beside theirs.
    let program = std::env::current_exe().unwrap().parent().unwrap().join("../examples/read-number");
    assert!(program.exists(), "a program of this test is missing: run `cargo build --example read-number`");
    let mut command = Command::new(program);
    command.arg(graph.emulator.base_url()).arg(&ca).args([TOKEN, NUMBER]);
    for name in
        ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy"]
    {
        command.env_remove(name);
    }
    command.envs(variables.iter().copied());
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_proxy_of_the_environment_is_used() {
    let graph = Graph::with(Config { tls: true, ..Config::default() }, |_| {}).await;
    let (address, requests) = proxy().await;
    let output = read_in_a_process_with(&graph, &[("HTTPS_PROXY", &address)]).await;
    assert!(output.status.success(), "{output:?}");
    assert_eq!(*requests.lock().unwrap(), [format!("CONNECT {} HTTP/1.1", graph.emulator.address())]);
    assert_eq!(graph.reads(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_proxy_names_exceptions() {
    let graph = Graph::with(Config { tls: true, ..Config::default() }, |_| {}).await;
    let (address, requests) = proxy().await;
    let variables = [("HTTPS_PROXY", address.as_str()), ("NO_PROXY", "graph.test,127.0.0.1")];
    let output = read_in_a_process_with(&graph, &variables).await;
    assert!(output.status.success(), "{output:?}");
    assert!(requests.lock().unwrap().is_empty());
    assert_eq!(graph.reads(), 1);
}
