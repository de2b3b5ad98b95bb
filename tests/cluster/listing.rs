//! The operator decides nothing before it has listed everything. Only then does it know who owns a number, and whether
//! a Secret is absent.

use harness::{World, new_namespace, number_of};
use waflows_core::api::crd::NumberState;

use crate::OPERATOR;
use crate::rights::Account;

const NUMBERS: [&str; 2] = ["106540352242922", "107995438950512"];
const RESOURCES: &str = "flowsencryptionkeys.waflows.dev";

/// A resource with everything it needs, in a world whose operator may not list one kind of object. The log shows what
/// is listed and what is not.
async fn held_up(world: &mut World, account: &Account, namespaces: &str, missing: &str) {
    world.operator.kill();
    world.set_default_secrets().await;
    world.apply("storefront", World::spec(&NUMBERS)).await.unwrap();
    world.operator = world.launch.with_rights_of(&account.kubeconfig()).start(namespaces, &[]);
    // The waits between attempts grow, so by then all other watches have had their turn.
    let refused = format!("cannot list resource \"{missing}\"");
    world.wait_until("refused again and again", || world.operator.log().matches(&refused).count() >= 4).await;
    let (status, body) = world.operator.get("/readyz").await.unwrap();
    assert_eq!(status, 503, "{body}");
    assert_eq!(world.emulator.counters().calls.total(), 0, "Meta was asked before all was listed");
    let resource = world.resources().get("storefront").await.unwrap();
    assert_eq!(resource.status.unwrap().observed_generation, Some(-1), "nothing is said of it");
}

async fn is_made_ready(world: &World) {
    world.wait_ready("storefront").await;
    assert!(NUMBERS.iter().all(|id| world.emulator.calls_to(id).uploads == 1));
}

#[tokio::test]
async fn resources_wait_for_the_secrets() {
    let mut world = World::new(OPERATOR, &NUMBERS).await;
    let account = Account::new(&world.namespace);
    account.grant_all_but(&world.namespace, "secrets");
    account.grant(&world.namespace, "get-secrets", "get", "secrets");
    let namespace = world.namespace.clone();
    held_up(&mut world, &account, &namespace, "secrets").await;
    account.grant(&world.namespace, "list-secrets", "list,watch", "secrets");
    is_made_ready(&world).await;
}

#[tokio::test]
async fn secrets_wait_for_the_resources() {
    let mut world = World::new(OPERATOR, &NUMBERS).await;
    let account = Account::new(&world.namespace);
    account.grant_all_but(&world.namespace, RESOURCES);
    account.grant(&world.namespace, "get-resources", "get", RESOURCES);
    let namespace = world.namespace.clone();
    held_up(&mut world, &account, &namespace, "flowsencryptionkeys").await;
    account.grant(&world.namespace, "list-resources", "list,watch", RESOURCES);
    is_made_ready(&world).await;
}

/// The owner of the numbers may be in a namespace that is not listed yet.
#[tokio::test]
async fn one_namespace_waits_for_the_other_and_its_owner_of_the_numbers() {
    let mut world = World::new(OPERATOR, &NUMBERS).await;
    let here = world.namespace.clone();
    let there = new_namespace(&world.client).await;
    // Whoever was first is the owner.
    world.namespace.clone_from(&there);
    world.operator = world.launch.start(&there, &[]);
    world.set_default_secrets().await;
    world.roll_out("owner", &NUMBERS).await;
    world.operator.terminate();
    let uploaded = world.emulator.uploads().len();
    world.emulator.reset_counters();

    world.namespace.clone_from(&here);
    let account = Account::new(&here);
    account.grant_all(&here);
    account.grant_all_but(&there, RESOURCES);
    held_up(&mut world, &account, &format!("{here},{there}"), "flowsencryptionkeys").await;
    account.grant(&there, "list-resources", "get,list,watch", RESOURCES);
    let resource = world.wait_reason("storefront", "NumberConflict").await;
    assert!(NUMBERS.iter().all(|id| number_of(&resource, id).state == NumberState::Conflict));
    assert_eq!((uploaded, world.emulator.uploads().len()), (2, 0), "the owner's key stays");
}
