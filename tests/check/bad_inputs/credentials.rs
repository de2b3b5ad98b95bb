//! Tokens and app secrets that are stored in a wrong way, or that Meta refuses.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use graph_emulator::Token;
use serde_json::json;

use super::page::Row;
use super::{NUMBERS, Scene, TOKEN, resource_with, secret_of};
use crate::scene::PRIVATE_KEY;

/// A token of an app that requires a proof.
const PROVEN: &str = "EAAProvenTokenOfTheTests0123456789";
const EXPIRED: &str = "EAAExpiredTokenOfTheTests0123456789";
const READER: &str = "EAAReadingTokenOfTheTests0123456789";
const APP_SECRET: &str = "0123456789abcdef0123456789abcdef";

pub(super) async fn rows() -> Vec<Row> {
    let scene = Scene::new().await;
    let app_secret = Some(APP_SECRET.to_owned());
    scene.emulator.set_token(PROVEN, Token { app_secret, ..Token::default() });
    scene.emulator.set_token(EXPIRED, Token { expired: true, ..Token::default() });
    scene.emulator.set_token(READER, Token { whatsapp_business_messaging: false, ..Token::default() });
    let mut rows: Vec<_> = tokens().into_iter().map(|(input, token)| judge(&scene, input, &token, None)).collect();
    for (input, secret) in [
        ("no app secret, where the app requires a proof", None),
        ("the secret of another app", Some("ffffffffffffffffffffffffffffffff")),
        ("an empty app secret", Some("")),
        ("an app secret in quotes", Some("\"0123456789abcdef0123456789abcdef\"")),
        ("an app secret of two lines", Some("0123456789abcdef\n0123456789abcdef")),
    ] {
        rows.push(judge(&scene, input, PROVEN.as_bytes(), secret.map(str::as_bytes)));
    }
    rows
}

fn tokens() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("a token in quotes", format!("\"{TOKEN}\"").into()),
        ("a token in base64", BASE64_STANDARD.encode(TOKEN).into()),
        ("a token with Bearer before it", format!("Bearer {TOKEN}").into()),
        ("a token with a line break in it", TOKEN.replacen('G', "G\n", 1).into()),
        ("a token with a blank in it", TOKEN.replacen('G', "G ", 1).into()),
        ("a token with a line break behind it", format!("{TOKEN}\r\n").into()),
        ("an empty token", Vec::new()),
        ("a token of blanks", b"  \n".to_vec()),
        ("a token with a dash of a word processor", TOKEN.replacen('G', "–", 1).into()),
        ("a token of binary data", vec![0, 159, 146, 150]),
        ("two tokens, one behind the other", format!("{TOKEN}\n{TOKEN}\n").into()),
        ("a token of 5,000 letters", vec![b'E'; 5000]),
        ("a placeholder", b"changeme".to_vec()),
        ("a token that Meta does not know", b"EAAUnknownTokenOfTheTests0123456789".to_vec()),
        ("a token that has expired", EXPIRED.into()),
        ("a token without whatsapp_business_messaging", READER.into()),
        ("the private key in place of the token", PRIVATE_KEY.as_bytes().to_vec()),
    ]
}

fn judge(scene: &Scene, input: &str, token: &[u8], app_secret: Option<&[u8]>) -> Row {
    let key = secret_of("flows-key", "private.pem", PRIVATE_KEY.as_bytes());
    let app = app_secret.map(|value| secret_of("meta-app", "secret", value));
    let reference = json!({"appSecretRef": {"name": "meta-app", "key": "secret"}});
    let fields = if app.is_some() { reference } else { json!({}) };
    let secrets: Vec<_> = [key, secret_of("meta-token", "token", token)].into_iter().chain(app).collect();
    scene.judge_resource(input, resource_with(&NUMBERS[..1], fields), &secrets, &[])
}
