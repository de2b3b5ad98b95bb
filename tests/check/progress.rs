//! The line that shows how far it is: on a terminal, which `script` provides.

use crate::process::run_command;
use crate::scene::{NUMBERS, Scene, resource};

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_sees_how_far_it_is_and_keeps_nothing_of_it() {
    let scene = Scene::with_secrets().await;
    scene.write("storefront.yaml", &[resource("storefront", &NUMBERS)]);
    let (operator, url) = (env!("CARGO_BIN_EXE_waflows-operator"), scene.emulator.base_url());
    let files = format!("-f {} -f {}", scene.path("storefront.yaml"), scene.path("secrets.yaml"));
    let command = format!("{operator} check {files} --graph-url {url} --allow-http-graph-url");
    let seen = run_command("script", &["-q", "-e", "-c", &command, "/dev/null"], b"");
    assert_eq!(seen.code, 0, "{seen:?}");
    let frames: Vec<_> = seen.stdout.split("\r\x1b[K").collect();
    for answered in 0..=3 {
        assert!(frames.contains(&format!("asking Meta: {answered} of 3 numbers").as_str()), "{frames:?}");
    }
    assert!(frames.last().unwrap().starts_with("NAMESPACE/NAME"), "{frames:?}");

    // Into a file goes none of it.
    let printed = scene.check(&["storefront.yaml", "secrets.yaml"], &[]);
    assert_eq!((printed.code, printed.stderr.as_str()), (0, ""));
}
