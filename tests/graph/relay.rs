//! A connection that dies silently, without a reset or an end.

use std::time::Duration;

use graph_emulator::Config;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::world::Graph;

/// Passes connections on to the emulator. On request, open connections fall silent. New ones work.
async fn relay(listener: TcpListener, emulator: std::net::SocketAddr, silence: watch::Receiver<()>) {
    let mut silenced = Vec::new();
    while let Ok((mut client, _)) = listener.accept().await {
        let mut silence = silence.clone();
        silence.mark_unchanged();
        silenced.push(tokio::spawn(async move {
            let mut server = TcpStream::connect(emulator).await.unwrap();
            tokio::select! {
                _ = copy_bidirectional(&mut client, &mut server) => {}
                _ = silence.changed() => std::future::pending().await,
            }
        }));
    }
}

#[tokio::test]
async fn a_silent_http_2_connection_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let graph = Graph::with(Config { tls: true, ..Config::default() }, |config| {
        config.base_url.set_port(Some(port)).unwrap();
        config.timeout = Duration::from_secs(1);
    })
    .await;
    let (silence, silenced) = watch::channel(());
    tokio::spawn(relay(listener, graph.emulator.address(), silenced));
    graph.read().await.unwrap();
    assert_eq!(graph.emulator.calls()[0].http_version, "HTTP/2.0");

    silence.send(()).unwrap();
    let recovers = async { while graph.read().await.is_err() {} };
    tokio::time::timeout(Duration::from_secs(30), recovers).await.expect("a new connection is made");
    assert_eq!(graph.emulator.counters().connections, 2);
}
