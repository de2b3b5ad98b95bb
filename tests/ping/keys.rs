//! Keys in all formats.

use harness::process::openssl;

use crate::scene::{KEY, PASSPHRASE, Scene};

#[tokio::test(flavor = "multi_thread")]
async fn every_form_of_the_key_is_read() {
    let scene = Scene::new(1).await;
    let convert = |file, arguments: &[&str]| {
        openssl(&[arguments, &["-out", &scene.path(file)]].concat(), &KEY.private_pem);
    };
    convert("pkcs1.pem", &["rsa", "-traditional"]);
    convert("private.der", &["pkey", "-outform", "DER"]);
    convert("public.der", &["pkey", "-pubout", "-outform", "DER"]);
    convert("public-pkcs1.pem", &["rsa", "-RSAPublicKey_out"]);
    scene.write("encrypted.pem", &KEY.encrypted(PASSPHRASE));
    scene.write("certificate.pem", &KEY.certificate());
    scene.write("passphrase", &format!("{PASSPHRASE}\n"));
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
        assert_eq!(said["publicKeyFingerprint"], KEY.fingerprint, "{flags:?}");
    }
    assert!(scene.emulator.requests().iter().all(|request| request.opened_by.as_deref() == Some(&*KEY.fingerprint)));
}
