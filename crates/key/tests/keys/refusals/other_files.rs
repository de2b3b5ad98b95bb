//! Files of another kind than expected.

use waflows_key::Expected::{self, Certificate, PrivateKey, PublicKey};
use waflows_key::KeyError;

use super::{Case, cases};
use crate::forge;
use crate::openssl::{CERTIFICATE, DSA_KEY, KEY, PUBLIC, openssl, text};

pub(super) fn texts() -> Vec<Case> {
    let unknown = |expected, remedy| {
        let error = KeyError::OtherText { expected };
        let html = b"<!DOCTYPE html><p>Sign in</p>".into();
        let placeholder = b"PUT YOUR PRIVATE KEY HERE".into();
        let values = [(b"changeme".into(), error.clone()), (html, error.clone()), (placeholder, error)];
        cases(expected, remedy, values)
    };
    let binary = KeyError::OtherBinary { expected: PrivateKey };
    let twice = [
        (openssl("base64", &KEY), KeyError::DoubleBase64),
        (openssl("base64 -A", &KEY), KeyError::DoubleBase64),
        (openssl("base64 -A", &openssl("base64 -A", &KEY)), KeyError::DoubleBase64),
        (openssl("base64", &CERTIFICATE), KeyError::DoubleBase64),
    ];
    let names = [(b"./keys/private.pem".into(), KeyError::FileName), (b"tls.key\n".into(), KeyError::FileName)];
    [
        unknown(PrivateKey, "BEGIN PRIVATE KEY"),
        unknown(Certificate, "BEGIN CERTIFICATE"),
        unknown(PublicKey, "BEGIN PUBLIC KEY"),
        cases(PrivateKey, "base64 -d", twice),
        cases(PrivateKey, "--from-file", names),
        cases(PrivateKey, "BEGIN PRIVATE KEY", [(vec![0xA5; 3000], binary.clone())]),
        cases(PrivateKey, "BEGIN PRIVATE KEY", [(forge::unknown_sequence(), binary.clone())]),
        cases(PrivateKey, "BEGIN PRIVATE KEY", [(b"\x89PNG\r\n\x1a\n".into(), binary)]),
    ]
    .concat()
}

pub(super) fn tools() -> Vec<Case> {
    let block = |label| format!("-----BEGIN {label}-----\nb3Bl\n-----END {label}-----\n").into();
    let key = |remedy, value: Vec<u8>, error| cases(PrivateKey, remedy, [(value, error)]);
    let salted = openssl("enc -aes-256-cbc -pbkdf2 -pass PASS", &KEY);
    let encrypted = |value: Vec<u8>, tool| {
        cases(PrivateKey, "decrypt it with that tool", [(value, KeyError::EncryptedFile { tool })])
    };
    let json = format!("{{\"private_key\": \"{}\"}}", text(openssl("base64 -A", &KEY)));
    let open_ssh = b"ssh-rsa AAAAB3Nza me@host";
    let misplaced = KeyError::PublicKey { expected: PrivateKey };
    [
        key("ssh-keygen -p", block("OPENSSH PRIVATE KEY"), KeyError::OpenSshPrivateKey),
        key("private.pem", open_ssh.into(), misplaced.clone()),
        key("private.pem", b"ecdsa-sha2-nistp256 AAAAE2Vj me@host".into(), misplaced),
        cases(PublicKey, "ssh-keygen -e", [(open_ssh.into(), KeyError::OpenSshPublicKey)]),
        key("puttygen", b"PuTTY-User-Key-File-3: ssh-rsa\n".into(), KeyError::Putty),
        key("age -d", b"age-encryption.org/v1\n-> X25519 ".into(), KeyError::Age),
        key("age -d", b"# created: now\nAGE-SECRET-KEY-1QQ".into(), KeyError::Age),
        key("age -d", block("AGE ENCRYPTED FILE"), KeyError::Age),
        key("gpg -d", block("PGP PRIVATE KEY BLOCK"), KeyError::Pgp),
        key("gpg -d", block("PGP MESSAGE"), KeyError::Pgp),
        key("put the private key", block("CMS"), KeyError::Pkcs7 { expected: PrivateKey }),
        key("JOSE", b"{\"kty\": \"RSA\", \"n\": \"AQAB\"}".into(), KeyError::Jwk),
        key("JOSE", b"\n[{\"kty\":\"RSA\"}]".into(), KeyError::Jwk),
        key("only the PEM block", json.into(), KeyError::Json),
        key("keytool", b"\xFE\xED\xFE\xED\0\0\0\x02".into(), KeyError::JavaKeyStore),
        key("keytool", b"\xCE\xCE\xCE\xCE\0\0\0\x02".into(), KeyError::JavaKeyStore),
        encrypted(openssl("base64", &salted), "openssl enc"),
        encrypted(salted, "openssl enc"),
        encrypted(b"$ANSIBLE_VAULT;1.1;AES256\n3362".into(), "Ansible Vault"),
        encrypted(b"key: ENC[AES256_GCM,data:4l".into(), "SOPS"),
    ]
    .concat()
}

pub(super) fn archives() -> Vec<Case> {
    let pkcs12 = openssl("pkcs12 -export -passout PASS", &[KEY.as_slice(), &CERTIFICATE].concat());
    let pkcs7 = openssl("crl2pkcs7 -nocrl -certfile /dev/stdin", &CERTIFICATE);
    let pkcs7_der = openssl("crl2pkcs7 -nocrl -certfile /dev/stdin -outform DER", &CERTIFICATE);
    let in_12 =
        |expected, remedy, value: &[u8]| cases(expected, remedy, [(value.into(), KeyError::Pkcs12 { expected })]);
    let in_7 = |expected, remedy| {
        let error = KeyError::Pkcs7 { expected };
        cases(expected, remedy, [(pkcs7.clone(), error)])
    };
    let der = (pkcs7_der, KeyError::Pkcs7 { expected: Certificate });
    [
        in_12(PrivateKey, "-nocerts", &pkcs12),
        in_12(PrivateKey, "-nocerts", &openssl("base64", &pkcs12)),
        in_12(PrivateKey, "-nocerts", b"\x30\x80\x02\x01\x03\x30\x80"),
        in_12(Certificate, "-clcerts -nokeys -out tls.crt", &pkcs12),
        in_12(PublicKey, "openssl x509 -pubkey", &openssl("base64", &pkcs12)),
        in_7(PrivateKey, "put the private key"),
        in_7(Certificate, "openssl pkcs7 -print_certs"),
        in_7(PublicKey, "openssl x509 -pubkey"),
        cases(Certificate, "openssl pkcs7 -print_certs", [der]),
    ]
    .concat()
}

pub(super) fn misplaced() -> Vec<Case> {
    let certificate = CERTIFICATE.clone();
    let certificate_der = openssl("x509 -outform DER", &CERTIFICATE);
    let request = openssl("req -new -key /dev/stdin -subj /CN=flows.example", &KEY);
    let public = PUBLIC.clone().into_bytes();
    let pkcs1 = openssl("rsa -RSAPublicKey_out", &KEY);
    let short = openssl("base64", &forge::without_attributes(&openssl("req -outform DER", &request)));
    let csr = |expected, remedy| {
        let error = KeyError::CertificateRequest { expected };
        cases(expected, remedy, [(request.clone(), error.clone()), (short.clone(), error)])
    };
    let certificates = |expected, remedy| {
        let error = KeyError::Certificate { expected };
        let values = [(certificate.clone(), error.clone()), (certificate_der.clone(), error)];
        cases(expected, remedy, values)
    };
    let public_keys = |expected, remedy| {
        let error = KeyError::PublicKey { expected };
        cases(expected, remedy, [(public.clone(), error.clone()), (pkcs1.clone(), error)])
    };
    let in_public_key = KeyError::Certificate { expected: PublicKey };
    [
        certificates(PrivateKey, "certificateSecretRef"),
        csr(PrivateKey, "that the request was made with"),
        public_keys(PrivateKey, "into `publicKey`"),
        csr(Certificate, "issued for the request"),
        public_keys(Certificate, "tls.crt"),
        private_keys(Certificate, "privateKeySecretRef"),
        cases(PublicKey, "openssl x509 -pubkey", [(certificate.clone(), in_public_key)]),
        csr(PublicKey, "openssl req -pubkey"),
        private_keys(PublicKey, "exposed"),
        beside_its_public_half(),
    ]
    .concat()
}

fn private_keys(expected: Expected, remedy: &'static str) -> Vec<Case> {
    let forms = ["rsa", "rsa -traditional -aes128 -passout PASS", "pkcs8 -topk8 -passout PASS"];
    let error = KeyError::PrivateKey { expected };
    let dsa = openssl("dsa -outform DER", &DSA_KEY);
    let others = [openssl("ecparam -name prime256v1 -genkey", b""), openssl("base64", &dsa)];
    [
        cases(expected, remedy, forms.map(|form| (openssl(form, &KEY), error.clone()))),
        cases(expected, remedy, others.map(|file| (file, error.clone()))),
    ]
    .concat()
}

/// A private key must not be in a resource, even after a public key.
fn beside_its_public_half() -> Vec<Case> {
    let both = [PUBLIC.as_bytes(), &KEY].concat();
    cases(PublicKey, "exposed", [(both, KeyError::PrivateKey { expected: PublicKey })])
}
