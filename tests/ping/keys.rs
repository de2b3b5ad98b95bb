//! Keys in every form.

use crate::scene::{PASSPHRASE, PRIVATE_KEY, Scene, fingerprint, openssl};

#[tokio::test(flavor = "multi_thread")]
async fn every_form_of_the_key_is_read() {
    let scene = Scene::new(1).await;
    let write = |file, arguments: &[&str]| scene.write(file, &openssl(arguments, &PRIVATE_KEY));
    let passphrase = format!("pass:{PASSPHRASE}");
    write("pkcs1.pem", &["rsa", "-traditional"]);
    write("private.der", &["pkey", "-outform", "DER"]);
    write("encrypted.pem", &["pkcs8", "-topk8", "-passout", &passphrase]);
    write("certificate.pem", &["req", "-x509", "-key", "/dev/stdin", "-subj", "/CN=flows"]);
    write("public.der", &["pkey", "-pubout", "-outform", "DER"]);
    write("public-pkcs1.pem", &["rsa", "-RSAPublicKey_out"]);
    scene.write("passphrase", format!("{PASSPHRASE}\n").as_bytes());
    let fingerprint = fingerprint();
    for flags in [
        &["--key", "@private.pem"][..],
        &["--key", "@pkcs1.pem"],
        &["--key", "@private.der"],
        &["--key", "@encrypted.pem", "--passphrase-file", "@passphrase"],
        &["--key", "@certificate.pem"],
        &["--key", "@public.pem"],
        &["--public-key", "@public.pem"],
        &["--public-key", "@public.der"],
        &["--public-key", "@public-pkcs1.pem"],
        &["--public-key", "@certificate.pem"],
    ] {
        let printed = scene.ping(&[&[&*scene.emulator.url(0), "-o", "json"], flags].concat());
        let said = printed.json();
        assert_eq!((printed.code, said["outcome"].as_str()), (0, Some("Proven")), "{flags:?}: {said}");
        assert_eq!(said["publicKeyFingerprint"], *fingerprint, "{flags:?}");
    }
    assert!(scene.emulator.requests().iter().all(|request| request.opened_by.as_deref() == Some(&*fingerprint)));
}
