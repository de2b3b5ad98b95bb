//! Requests, compared with openssl and Node.js.

use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::Value;
use waflows_probe::{AskWith, SigningSecret, encode};

use crate::bytes::{AES_KEY, Counting, IV};
use crate::endpoint::{field, known};
use crate::openssl::{PRIVATE_KEY, PUBLIC_KEY, openssl};

#[test]
fn the_flow_data_is_what_node_makes_of_a_health_check() {
    let (request, _) = known();
    let body: Value = serde_json::from_slice(request.body()).unwrap();
    // {"version":"3.0","action":"ping"} by crypto.createCipheriv('aes-128-gcm', key, iv), then the tag
    let expected = "vryB0w/BTee4OvmgkgEf9dnfQfwZb8iWi7yl5iotFMJeuQl749lOptdzv/L1T2V2PA==";
    assert_eq!(body["encrypted_flow_data"], expected);
    assert_eq!(field(&request, "initial_vector"), IV);
    assert_eq!(body.as_object().unwrap().len(), 3, "{body}");
    assert!(request.body().len() < 1024);
}

#[test]
fn the_aes_key_is_what_openssl_decrypts() {
    let (request, _) = encode(AskWith::Key(&PUBLIC_KEY), None, &mut Counting::default()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("private.pem");
    std::fs::write(&file, &*PRIVATE_KEY).unwrap();
    let options = ["rsa_padding_mode:oaep", "rsa_oaep_md:sha256", "rsa_mgf1_md:sha256"];
    let options = options.iter().flat_map(|option| ["-pkeyopt", option]);
    let arguments: Vec<_> =
        ["pkeyutl", "-decrypt", "-inkey", file.to_str().unwrap()].into_iter().chain(options).collect();
    assert_eq!(openssl(&arguments, &field(&request, "encrypted_aes_key")), AES_KEY);
}

#[test]
fn the_signature_is_what_openssl_computes() {
    let secret = "0123456789abcdef0123456789abcdef";
    let random = &mut StdRng::seed_from_u64(1);
    let (request, _) = encode(AskWith::UnknownKey, Some(&SigningSecret::new(secret.as_bytes())), random).unwrap();
    let printed = openssl(&["dgst", "-sha256", "-hmac", secret, "-r"], request.body());
    let digits = String::from_utf8(printed).unwrap().split(' ').next().unwrap().to_owned();
    assert_eq!(request.signature(), Some(format!("sha256={digits}").as_str()));
    assert_eq!(known().0.signature(), None);
}

#[test]
fn each_request_has_its_own_key_and_initialization_vector() {
    let random = &mut StdRng::seed_from_u64(2);
    let mut request = || encode(AskWith::Key(&PUBLIC_KEY), None, random).unwrap().0;
    let (one, other) = (request(), request());
    for name in ["encrypted_flow_data", "encrypted_aes_key", "initial_vector"] {
        assert_ne!(field(&one, name), field(&other, name));
    }
}

/// Otherwise some endpoints would refuse some of these requests by the modulus, not by the padding.
#[test]
fn what_nobody_can_decrypt_is_a_number_below_every_modulus() {
    for seed in 0..200 {
        let (request, _) = encode(AskWith::UnknownKey, None, &mut StdRng::seed_from_u64(seed)).unwrap();
        let wrapped = field(&request, "encrypted_aes_key");
        assert_eq!((wrapped.len(), wrapped[0] & 0x80), (256, 0));
    }
}
