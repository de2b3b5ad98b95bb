//! Debug prints no secret.

use rand::SeedableRng;
use rand::rngs::StdRng;
use waflows_probe::{AskWith, SigningSecret, encode};

#[test]
fn debug_shows_nothing() {
    let secret = SigningSecret::new(b"an-app-secret");
    let (request, opener) = encode(AskWith::UnknownKey, Some(&secret), &mut StdRng::seed_from_u64(3)).unwrap();
    assert_eq!(format!("{secret:?} {request:?} {opener:?}"), "SigningSecret(..) Request(..) Opener(..)");
}
