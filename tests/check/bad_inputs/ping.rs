//! Bad input to `ping`: targets, keys and other files. `tests/ping` tests the answers of endpoints.

use harness::process::openssl;

use super::page::{Caught, Row};
use crate::process::run;
use crate::scene::{PRIVATE_KEY, PUBLIC_KEY, Scene};

const URL: &str = "https://flows.example.com/flows";

pub(super) async fn rows() -> Vec<Row> {
    let scene = Scene::new().await;
    let passphrase = "pass:right";
    let encrypted = openssl(&["pkcs8", "-topk8", "-passout", passphrase], PRIVATE_KEY.as_bytes());
    for (file, content) in [
        ("private.pem", PRIVATE_KEY.as_str()),
        ("public.pem", &PUBLIC_KEY),
        ("encrypted.pem", &encrypted),
        ("small.pem", &openssl(&["genrsa", "1024"], b"")),
        ("wrong", "wrong"),
        ("empty", ""),
        ("quoted", "\"0123456789abcdef\""),
        ("prose", "Our key, see the wiki."),
    ] {
        scene.write_text(file, content);
    }
    let mut rows = targets(&scene);
    rows.extend(files(&scene));
    rows
}

fn targets(scene: &Scene) -> Vec<Row> {
    let row = |input: &str, url: &str| row(scene, input, &[url, "--key", "@private.pem"]);
    vec![
        row("no scheme before the host", "flows.example.com/flows"),
        row("no scheme before the port", "localhost:8080/flows"),
        row("another scheme", "ftp://flows.example.com/flows"),
        row("no host", "https://"),
        row("a password in the URL", "https://user:password@flows.example.com/flows"),
        row("fek/ without a name", "fek/"),
        row("an empty URL", ""),
    ]
}

fn files(scene: &Scene) -> Vec<Row> {
    let row = |input: &str, flags: &[&str]| row(scene, input, &[&[URL], flags].concat());
    vec![
        row("no key", &[]),
        row("two keys", &["--key", "@private.pem", "--public-key", "@public.pem"]),
        row("a key, and one that nobody has", &["--key", "@private.pem", "--unknown-key"]),
        row("a key that is not there", &["--key", "/nonexistent.pem"]),
        row("an empty file as the key", &["--key", "@empty"]),
        row("prose as the key", &["--key", "@prose"]),
        row("prose as the public key", &["--public-key", "@prose"]),
        row("a private key as the public key", &["--public-key", "@private.pem"]),
        row("a key of 1024 bits", &["--key", "@small.pem"]),
        row("an encrypted key without its passphrase", &["--key", "@encrypted.pem"]),
        row("an encrypted key with a wrong passphrase", &["--key", "@encrypted.pem", "--passphrase-file", "@wrong"]),
        row("a passphrase for a public key", &["--public-key", "@public.pem", "--passphrase-file", "@wrong"]),
        row("a passphrase that is not there", &["--key", "@encrypted.pem", "--passphrase-file", "/nonexistent"]),
        row("an empty app secret", &["--key", "@private.pem", "--app-secret-file", "@empty"]),
        row("an app secret in quotes", &["--key", "@private.pem", "--app-secret-file", "@quoted"]),
        row("the private key as the app secret", &["--unknown-key", "--app-secret-file", "@private.pem"]),
        row("an app secret that is not there", &["--unknown-key", "--app-secret-file", "/nonexistent"]),
        row("certificates that are none", &["--unknown-key", "--ca-file", "@public.pem"]),
        row("certificates that are not there", &["--unknown-key", "--ca-file", "/nonexistent.pem"]),
        row("key and app secret from standard input", &["--key", "-", "--app-secret-file", "-"]),
    ]
}

/// Arguments such as `@private.pem` name files of the folder.
fn row(scene: &Scene, input: &str, arguments: &[&str]) -> Row {
    let path = |word: &&str| word.strip_prefix('@').map_or_else(|| (*word).to_owned(), |file| scene.path(file));
    let arguments: Vec<_> = arguments.iter().map(path).collect();
    let arguments: Vec<_> = ["ping"].into_iter().chain(arguments.iter().map(String::as_str)).collect();
    let printed = run(&arguments, b"");
    let all = format!("{}{}", printed.stdout, printed.stderr);
    let secrets = [PRIVATE_KEY.lines().nth(3).unwrap(), "user:password", "0123456789abcdef"];
    assert!(!secrets.iter().any(|secret| all.contains(secret)), "{all}");
    assert!(printed.code == 2 && printed.stdout.is_empty(), "{input}: {printed:?}");
    // A message of clap ends with the usage.
    let said = printed.stderr.lines().take_while(|line| !line.starts_with("Usage: ")).collect::<Vec<_>>().join(" ");
    Row::new(input, Caught::Ping, &said.replace(&scene.path(""), ""))
}
