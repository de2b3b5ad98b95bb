//! The fuzz targets with stable Rust: every seed, every input of the corpus, and a fixed number of inputs made from the
//! seeds by a fixed rule.
//!
//! What CI can run of fuzzing. cargo-fuzz with coverage feedback needs nightly Rust: `make fuzz` (fuzz/README.md).

#![expect(clippy::unwrap_used, reason = "a failing test may panic")]

#[expect(unreachable_pub, reason = "public for the targets of cargo-fuzz")]
#[path = "../fuzz/src/lib.rs"]
mod targets;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::Command;

use fastrand::Rng;

/// Pieces of structure that random bytes would hardly contain.
const TOKENS: [&[u8]; 16] = [
    b"\n",
    b"\n\n",
    b"\n====\n",
    b"\0",
    b"-----BEGIN ",
    b"-----END ",
    b"\x30\x80",
    b"\x30\x84\xff\xff\xff\xff",
    b"\x02\x01\x00",
    b"null",
    b"[]",
    b"{\"a\":",
    b"1e308",
    b"-9223372036854775808",
    b"9999-12-31T23:59:59Z",
    "\u{2028}\u{fffe}".as_bytes(),
];

#[test]
fn key() {
    run("key", 1500, targets::key);
}

#[test]
fn passphrase() {
    run("passphrase", 3000, targets::passphrase);
}

#[test]
fn answer() {
    run("answer", 6000, targets::answer);
}

#[test]
fn endpoint() {
    run("endpoint", 6000, targets::endpoint);
}

#[test]
fn rate_limits() {
    run("rate-limits", 6000, targets::rate_limits);
}

#[test]
fn resource() {
    run("resource", 3000, targets::resource);
}

fn run(target: &str, mutants: usize, entry: fn(&[u8])) {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let seeds = inputs(&fuzz.join("seeds").join(target));
    for (name, input) in seeds.iter().chain(&corpus(&fuzz.join("corpus"), target)) {
        check(entry, input, name);
    }
    let mut random = Rng::with_seed(0x77af_10e5);
    for n in 0..mutants {
        let input = mutant(&seeds, &mut random);
        check(entry, &input, &format!("mutant {n}"));
    }
}

fn check(entry: fn(&[u8]), input: &[u8], what: &str) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| entry(input))) {
        eprintln!("{what}, written as a Rust string: \"{}\"", input.escape_ascii());
        std::panic::resume_unwind(panic);
    }
}

/// What fuzzing has found: the inputs that together reach all the code that any of them has reached.
fn corpus(folder: &Path, target: &str) -> Vec<(String, Vec<u8>)> {
    let unpacked = tempfile::tempdir().unwrap();
    let archive = folder.join(target).with_extension("tar.gz");
    let mut tar = Command::new("tar");
    let tar = tar.args(["--extract", "--gzip", "--file"]).arg(archive).arg("--directory").arg(unpacked.path());
    let is_unpacked = tar.status().is_ok_and(|status| status.success());
    assert!(is_unpacked, "the corpus could not be unpacked: install tar and gzip");
    inputs(unpacked.path())
}

/// The files of a folder by name, so that they are the same on every machine.
fn inputs(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut inputs: Vec<_> = entries
        .map(|entry| {
            let path = entry.unwrap().path();
            (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(&path).unwrap())
        })
        .collect();
    inputs.sort();
    assert!(!inputs.is_empty(), "{} holds no inputs", folder.display());
    inputs
}

/// A seed, changed in one to eight places.
fn mutant(seeds: &[(String, Vec<u8>)], random: &mut Rng) -> Vec<u8> {
    let any = |random: &mut Rng| seeds[random.usize(..seeds.len())].1.clone();
    let mut input = any(random);
    for _ in 0..random.usize(1..=8) {
        let at = random.usize(..=input.len());
        let end = (at + random.usize(..=32)).min(input.len());
        match random.u8(..6) {
            0 => input[at..end].iter_mut().take(1).for_each(|byte| *byte = random.u8(..)),
            1 => drop(input.drain(at..end)),
            2 => drop(input.splice(at..at, TOKENS[random.usize(..TOKENS.len())].iter().copied())),
            3 => drop(input.splice(at..end, TOKENS[random.usize(..TOKENS.len())].iter().copied())),
            4 => {
                let copy = input[at..end].to_vec();
                drop(input.splice(at..at, copy));
            }
            _ => {
                let other = any(random);
                let from = random.usize(..=other.len());
                let to = (from + random.usize(..=64)).min(other.len());
                drop(input.splice(at..end, other[from..to].iter().copied()));
            }
        }
    }
    input
}
