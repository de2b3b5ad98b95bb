//! Several targets. The worst outcome decides.

use endpoint_emulator::Behaviour;

use crate::scene::Scene;

#[tokio::test(flavor = "multi_thread")]
async fn the_worst_outcome_is_that_of_all() {
    let scene = Scene::of(&[Behaviour::Right, Behaviour::Broken, Behaviour::Clear]).await;
    let urls: Vec<_> = (0..3).map(|replica| scene.emulator.url(replica)).collect();
    for (asked, exit_code, outcome) in
        [(&[0, 0][..], 0, "Proven"), (&[0, 1], 2, "Unreachable"), (&[2, 1, 0], 1, "NotEncrypted")]
    {
        let targets: Vec<_> = asked.iter().map(|n| urls[*n].as_str()).collect();
        let printed = scene.ping(&[&targets[..], &["-o", "json", "--key", "@private.pem"]].concat());
        let said = printed.json();
        assert_eq!((printed.code, said["outcome"].as_str()), (exit_code, Some(outcome)), "{said}");
        let order: Vec<_> = said["targets"].as_array().unwrap().iter().map(|target| &target["target"]).collect();
        assert_eq!(order, targets, "in the order of the command line");
    }
}
