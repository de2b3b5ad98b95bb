//! The emulator of Meta, as most tests have it.

use graph_emulator::{Config, Emulator, appsecret_proof};
use reqwest::StatusCode;

use crate::objects::TOKEN;

/// An emulator that knows [`TOKEN`] and these numbers, none of which has a key.
pub async fn start(config: Config, numbers: &[&str]) -> Emulator {
    let emulator = Emulator::start(config).await.unwrap();
    emulator.add_token(TOKEN);
    emulator.add_numbers(numbers);
    emulator
}

/// Fingerprint and signature status of a number, as Meta has it.
pub fn held(emulator: &Emulator, number: &str) -> (Option<String>, Option<String>) {
    let number = emulator.number(number).expect("the number exists");
    let fingerprint = number.fingerprint.as_ref().map(|digits| format!("sha256:{digits}"));
    (fingerprint, number.signature_status().map(str::to_owned))
}

/// Uploads a key to a number as the operator would, with [`TOKEN`] and its proof, to whatever serves the Graph API at a
/// URL.
pub async fn upload(graph_url: &str, app_secret: &str, number: &str, key: &str) -> StatusCode {
    crate::tls::install_provider();
    let proof = appsecret_proof(TOKEN, app_secret);
    let url = format!("{graph_url}/v25.0/{number}/whatsapp_business_encryption?appsecret_proof={proof}");
    let form = [("business_public_key", key)];
    reqwest::Client::new().post(&url).bearer_auth(TOKEN).form(&form).send().await.unwrap().status()
}
