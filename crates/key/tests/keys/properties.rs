//! Properties that hold for every input.

use std::sync::LazyLock;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use waflows_key::{Fingerprint, PublicKey};

use crate::disguise::any_disguise;
use crate::openssl::{CERTIFICATE, KEY, PASSPHRASE, PUBLIC, in_parallel, key_fingerprint, openssl, text};

/// [`KEY`] in PEM: plain and encrypted, PKCS#1 and PKCS#8.
static PEM_FORMS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let commands = [
        "rsa",
        "rsa -traditional",
        "rsa -traditional -aes256 -passout PASS",
        "rsa -traditional -des3 -passout PASS",
        "pkcs8 -topk8 -passout PASS",
    ];
    in_parallel(&commands, |arguments| text(openssl(arguments, &KEY)))
});

/// All starting points of mutations.
static SEEDS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let commands = [
        "rsa",
        "rsa -traditional",
        "rsa -outform DER",
        "rsa -traditional -outform DER",
        "rsa -traditional -des3 -passout PASS",
        "pkcs8 -topk8 -passout PASS",
        "pkcs8 -topk8 -outform DER -passout PASS",
        "pkcs8 -topk8 -scrypt -outform DER -passout PASS",
        "pkey -pubout",
        "pkey -pubout -outform DER",
        "rsa -RSAPublicKey_out",
    ];
    let mut seeds = in_parallel(&commands, |arguments| openssl(arguments, &KEY));
    seeds.push(CERTIFICATE.clone());
    seeds.push(openssl("x509 -outform DER", &CERTIFICATE));
    seeds.push(openssl("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256", b""));
    seeds
});

#[derive(Debug, Clone)]
enum Mutation {
    Set(Index, u8),
    Insert(Index, Vec<u8>),
    Remove(Index, usize),
    Truncate(Index),
    Double(Index, usize),
}

fn any_mutation() -> impl Strategy<Value = Mutation> {
    // Half of all mutations hit the start, where the structure is.
    let tokens: Vec<&[u8]> = vec![
        b"-----BEGIN ",
        b"-----END ",
        b"-----",
        b"\\",
        b":",
        b"DEK-Info: AES-256-CBC,00",
        b"\x30\x80",
        b"\x30\x84\xff\xff\xff\xff",
        b"\x02\x01\x00",
        b"\0",
        b"\n\n",
        b"=",
        b"\xff\xfe",
        b"\xef\xbb\xbf",
    ];
    let inserted = prop_oneof![proptest::sample::select(tokens).prop_map(<[u8]>::to_vec), vec(any::<u8>(), 1..8),];
    prop_oneof![
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Mutation::Set(at, byte)),
        (any::<Index>(), inserted).prop_map(|(at, bytes)| Mutation::Insert(at, bytes)),
        (any::<Index>(), 1usize..70).prop_map(|(at, length)| Mutation::Remove(at, length)),
        any::<Index>().prop_map(Mutation::Truncate),
        (any::<Index>(), 1usize..300).prop_map(|(at, length)| Mutation::Double(at, length)),
    ]
}

fn mutate(file: &mut Vec<u8>, mutation: &Mutation, near_begin: bool) {
    let size = if near_begin { file.len().min(64) } else { file.len() };
    let place = |at: &Index| if size == 0 { 0 } else { at.index(size) };
    let span = |at: &Index, length: usize| place(at)..(place(at) + length).min(file.len());
    match mutation {
        Mutation::Set(at, byte) => {
            let at = place(at);
            file.get_mut(at).into_iter().for_each(|old| *old = *byte);
        }
        Mutation::Insert(at, bytes) => {
            let at = place(at);
            drop(file.splice(at..at, bytes.iter().copied()));
        }
        Mutation::Remove(at, length) => drop(file.drain(span(at, *length))),
        Mutation::Truncate(at) => file.truncate(place(at)),
        Mutation::Double(at, length) => {
            let span = span(at, *length);
            let copy = file[span.clone()].to_vec();
            drop(file.splice(span.start..span.start, copy));
        }
    }
}

/// Reads a value with all functions; the result does not matter.
///
/// A passphrase is used only with the old PEM encryption, because the cost of its key derivation is
/// constant. A mutated iteration count of PBKDF2 may take seconds. Its decrypted content is parsed
/// like an unencrypted file, so nothing is missed.
fn read_in_all_ways(value: &[u8]) {
    let is_old_pem = value.windows(8).any(|window| window == b"DEK-Info");
    let _ = PublicKey::from_private_key(value, is_old_pem.then_some(PASSPHRASE));
    let _ = PublicKey::from_private_key(value, None);
    let _ = PublicKey::from_certificate(value);
    let text = String::from_utf8_lossy(value);
    let _ = PublicKey::from_public_key(&text);
    let _ = Fingerprint::of_reported_pem(&text);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_key_survives_every_disguise(form in 0..5usize, disguise in any_disguise()) {
        let value = disguise.apply(&PEM_FORMS[form]);
        let key = PublicKey::from_private_key(&value, Some(PASSPHRASE));
        prop_assert_eq!(
            key.map(|key| key.fingerprint().to_string()),
            Ok(key_fingerprint().to_owned()),
            "{}", String::from_utf8_lossy(&value)
        );
    }

    #[test]
    fn certificates_and_public_keys_survive_every_disguise(disguise in any_disguise()) {
        let certificate = disguise.apply(std::str::from_utf8(&CERTIFICATE).unwrap());
        let key = PublicKey::from_certificate(&certificate).unwrap();
        prop_assert_eq!(key.fingerprint().to_string(), key_fingerprint());
        if let Ok(public) = String::from_utf8(disguise.apply(&PUBLIC)) {
            prop_assert_eq!(PublicKey::from_public_key(&public), Ok(key));
            let reported = Fingerprint::of_reported_pem(&public).unwrap();
            prop_assert_eq!(reported.to_string(), key_fingerprint());
        }
    }

    #[test]
    fn a_fingerprint_is_parsed_as_it_is_written(bytes in any::<[u8; 32]>()) {
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let text = format!("sha256:{hex}");
        let fingerprint: Fingerprint = text.parse().unwrap();
        prop_assert_eq!(fingerprint.to_string(), text);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn arbitrary_bytes_do_no_harm(value in vec(any::<u8>(), 0..600)) {
        read_in_all_ways(&value);
    }

    #[test]
    fn arbitrary_text_does_no_harm(value in "[-BEGINDRSAPUVTKYC: \\\\n\r=A-Za-z0-9+/]{0,300}") {
        read_in_all_ways(value.as_bytes());
    }

    #[test]
    fn damaged_files_do_no_harm(
        seed in any::<Index>(),
        mutations in vec((any_mutation(), any::<bool>()), 1..6),
    ) {
        let mut value = seed.get(&SEEDS).clone();
        for (mutation, near_begin) in &mutations {
            mutate(&mut value, mutation, *near_begin);
        }
        read_in_all_ways(&value);
    }
}
