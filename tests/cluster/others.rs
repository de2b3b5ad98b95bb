//! An operator without election beside one that leads.

use harness::World;

use crate::OPERATOR;
use crate::rights::Account;

const WARNING: &str = "another operator is running and holds this Lease";

#[tokio::test]
async fn who_starts_without_election_beside_a_leader_is_warned() {
    let world = World::with_flags(OPERATOR, &[], &["--lease-name", "other-name"]).await;
    let namespace = &world.namespace;
    let flags = ["--leader-election", "--lease-namespace", namespace, "--lease-name", "flows"];
    let leader = world.launch.start(namespace, &flags);
    world.wait_until("leading", || leader.log().contains("leading")).await;
    assert!(!leader.log().contains(WARNING), "it takes part");

    // The name of the Lease does not matter: the other operator is found by its label.
    let lease = format!("{namespace}/flows");
    let same_name = ["--lease-namespace", namespace, "--lease-name", "flows"];
    for flags in [&same_name[..], &[]] {
        let operator = world.launch.start(namespace, flags);
        let is_warned = || {
            let log = operator.log();
            log.lines().any(|line| line.contains(" WARN ") && line.contains(WARNING) && line.contains(&lease))
        };
        world.wait_until("warned", is_warned).await;
        let holder = operator.log().split(&lease).nth(1).unwrap().split("holder=").nth(1).map(str::to_owned).unwrap();
        assert!(leader.log().contains(holder.split_whitespace().next().unwrap()), "{holder}");
    }

    // An operator that may not look for others does not report that to people.
    let account = Account::new(namespace);
    account.grant_all(namespace);
    let operator = world.launch.with_rights_of(&account.kubeconfig()).start(namespace, &[]);
    let has_looked = || operator.log().matches("cannot see whether another operator leads").count() == 2;
    world.wait_until("refused twice", has_looked).await;
    let log = operator.log();
    assert!(log.lines().all(|line| !line.contains(" WARN ") && !line.contains("ERROR ")), "{log}");
}
