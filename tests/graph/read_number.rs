//! Reads one number like the operator's client: `read-number URL CA-FILE TOKEN NUMBER`. Tests run this program to give
//! it an environment of its own, such as proxy variables.

use std::sync::Arc;

use waflows_operator::graph::call_limiter::{CallLimiter, Limits};
use waflows_operator::graph::{AccessToken, Client, Config, Credentials};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, ca_file, token, number] = arguments.as_slice() else { return Err("four arguments".into()) };
    harness::tls::install_provider();
    let config = Config {
        base_url: url.parse()?,
        api_version: "v25.0".to_owned(),
        allow_http: false,
        ca_bundle: Some(ca_file.into()),
        timeout: std::time::Duration::from_secs(10),
    };
    let limits = Limits { requests_per_second: None, concurrency: None, wait_scale: 1.0 };
    let client = Client::new(&config, Arc::new(CallLimiter::new(limits)), Arc::default())?;
    let credentials = Credentials::new(AccessToken::new(token.as_bytes())?, None);
    let reported = client.read(&credentials, "test/test", number).await;
    reported.map(drop).map_err(|error| format!("{error:?}").into())
}
