//! What the log says at the level that users run with.

use harness::{World, many_numbers, strs};

use crate::OPERATOR;

fn at_info(world: &World) -> Vec<String> {
    let log = world.operator.log();
    let is_info = |line: &&str| [" INFO ", " WARN ", "ERROR "].iter().any(|level| line.contains(level));
    log.lines().filter(is_info).map(str::to_owned).collect()
}

fn reconciled(world: &World) -> Vec<String> {
    at_info(world).into_iter().filter(|line| line.contains("reconciled")).collect()
}

#[tokio::test]
async fn a_reconcile_over_many_numbers_is_one_line() {
    let ids = many_numbers(50);
    let world = World::new(OPERATOR, &strs(&ids)).await;
    world.set_default_secrets().await;
    world.roll_out("storefront", &strs(&ids)).await;
    world.wait_until("reported", || !reconciled(&world).is_empty()).await;
    let lines = reconciled(&world);
    assert!(lines[0].contains(&format!("{}/storefront", world.namespace)), "{lines:?}");
    assert!(
        lines[0].contains("50/50") && lines[0].contains("uploads=50") && lines[0].contains("failed=0"),
        "{lines:?}"
    );

    // A reconcile that heals is one line, too. A check that finds all well writes no line.
    ids.iter().for_each(|id| drop(world.emulator.lose_signature(id).unwrap()));
    for request in ["heal", "check"] {
        world.sync("storefront", request).await;
    }
    let checked = || world.operator.log().matches("reconciled").count() >= 3;
    world.wait_until("the check is over", checked).await;
    assert_eq!(reconciled(&world).len(), 2, "{:#?}", at_info(&world));
    let of_numbers: Vec<_> =
        at_info(&world).into_iter().filter(|line| ids.iter().any(|id| line.contains(id))).collect();
    assert_eq!(of_numbers, reconciled(&world), "no line of a number's own");
    let named = |line: &String| ids.iter().filter(|id| line.contains(*id)).count();
    assert!(of_numbers.iter().all(|line| named(line) == 10 && line.contains("and 40 more")), "{of_numbers:#?}");
}
