//! What every state must lead to if nothing goes wrong any more. Each number is VALID, or the status says why not, and
//! only checks are left to do.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Mutex;

use waflows_core::api::crd::{FlowsEncryptionKey, Mode, NumberState, PhoneNumberStatus, RotationStatus};

use crate::environment::{Fate, STEP};
use crate::objects::key_number;
use crate::setup::Setup;
use crate::world::World;

/// Within so many reconciles and waits each state comes to rest.
pub(crate) const MOST_STEPS: u16 = 40;
/// At rest, nothing more may happen during so many checks.
const CHECKS: usize = 3;
const RECONCILES_PER_CHECK: usize = 2;
/// Within so many steps of time some process leads: two durations of the Lease.
const MOST_ELECTIONS: usize = 6;

/// The operator leaves a number to someone else after so many foreign keys.
const WRITES_OF_A_CONTEST: u8 = 3;

/// How many steps the states that were visited are from rest.
pub(crate) type Distances = Mutex<HashMap<u64, u16>>;

/// How many steps the state is from rest, if everything goes well from now on.
///
/// # Errors
/// What is still wrong after [`MOST_STEPS`].
pub(crate) fn steps_to_rest(setup: &Setup, from: &World, distances: &Distances) -> Result<u16, String> {
    let mut world = from.clone();
    heal(setup, &mut world)?;
    let mut path = Vec::new();
    let mut steps = loop {
        let here = fingerprint(&world);
        if let Some(steps) = distances.lock().unwrap().get(&here) {
            break *steps;
        }
        if !world.is_busy() && is_at_rest(setup, &world).is_ok() {
            check_calm(setup, world)?;
            distances.lock().unwrap().insert(here, 0);
            break 0;
        }
        if path.len() >= usize::from(MOST_STEPS) {
            return Err(is_at_rest(setup, &world).err().unwrap_or_else(|| "there is no end of reconciles".to_owned()));
        }
        path.push(here);
        advance(setup, &mut world)?;
    };
    let mut distances = distances.lock().unwrap();
    for here in path.into_iter().rev() {
        steps += 1;
        distances.insert(here, steps);
    }
    if steps > MOST_STEPS { Err(format!("{steps} steps are too many")) } else { Ok(steps) }
}

fn fingerprint(world: &World) -> u64 {
    let mut hasher = DefaultHasher::new();
    world.hash_present(&mut hasher);
    // Decides whether a number counts as contested.
    world.budget.foreign_writes.hash(&mut hasher);
    hasher.finish()
}

/// All faults end. The leader goes on alone: the election's own tests show that a leader without trouble renews its
/// Lease.
fn heal(setup: &Setup, world: &mut World) -> Result<(), String> {
    for line in &mut world.lines {
        (line.is_down, line.is_unregistered) = (false, false);
    }
    if world.replicas.len() > 1 {
        (0..world.replicas.len()).for_each(|replica| settle(setup, world, replica));
        let leader = (0..MOST_ELECTIONS).find_map(|_| {
            (0..world.replicas.len()).for_each(|replica| world.elect(replica, Fate::Answered));
            let leader = (0..world.replicas.len()).find(|replica| world.leads(setup, *replica));
            if leader.is_none() {
                pass(world, world.now + STEP);
            }
            leader
        });
        let leader = leader.ok_or("nobody leads")?;
        let mut leader = world.replicas.swap_remove(leader);
        leader.election = None;
        world.replicas = vec![leader];
        (0..world.resources.len()).for_each(|x| world.learn(0, x));
        world.lease = None;
    }
    settle(setup, world, 0);
    let now = world.now;
    pass(world, now);
    Ok(())
}

/// The reconciles under way come to their end.
fn settle(setup: &Setup, world: &mut World, replica: usize) {
    for x in 0..world.resources.len() {
        while let Some(reconcile) = &world.replicas[replica].reconciles[x] {
            match &reconcile.in_flight {
                Some(in_flight) if in_flight.has_arrived || in_flight.is_given_up => world.answer(setup, replica, x),
                Some(_) => world.arrive(replica, x, false),
                None if !reconcile.has_uploads_left() => world.finish(setup, replica, x),
                None => world.send(setup, replica, x),
            }
        }
    }
}

/// The next reconcile, or the next wait.
fn advance(setup: &Setup, world: &mut World) -> Result<(), String> {
    if let Some(x) = (0..world.resources.len()).find(|x| world.replicas[0].probing[*x].is_due(world.now)) {
        world.probe(setup, 0, x);
        return Ok(());
    }
    match (0..world.resources.len()).find(|x| world.replicas[0].queue[*x].is_ready(world.now)) {
        Some(x) => {
            world.begin(setup, 0, x);
            settle(setup, world, 0);
        }
        None => {
            let next =
                world.next_event().ok_or_else(|| format!("nothing is planned, but {:?}", is_at_rest(setup, world)))?;
            pass(world, next);
        }
    }
    Ok(())
}

/// Time passes. A late upload arrives as late as possible.
fn pass(world: &mut World, until: jiff::Timestamp) {
    world.pass_until(until);
    if !world.may_pass() {
        world.arrive_late();
    }
}

/// From now on there are only checks.
fn check_calm(setup: &Setup, mut world: World) -> Result<(), String> {
    let uploads = |world: &World| world.history.efforts.iter().map(|effort| effort.last).collect::<Vec<_>>();
    let before = uploads(&world);
    for _ in 0..CHECKS * world.resources.len() {
        let Some(next) = world.next_event() else { return Ok(()) };
        pass(&mut world, next);
        for _ in 0..RECONCILES_PER_CHECK * world.resources.len() {
            if world.is_busy() {
                advance(setup, &mut world)?;
            }
        }
        is_at_rest(setup, &world)?;
    }
    match uploads(&world) == before && !world.is_busy() {
        true => Ok(()),
        false => Err("there is more than checks after all was well".to_owned()),
    }
}

/// Whether nothing is left to do, and every status says how things are.
fn is_at_rest(setup: &Setup, world: &World) -> Result<(), String> {
    if world.ghost.is_some() {
        return Err("an upload is still on its way".to_owned());
    }
    for (x, resource) in world.resources.iter().enumerate() {
        let Some(resource) = resource else { continue };
        let Some(status) = &resource.status else { return Err(format!("resource {x} has no status")) };
        if status.observed_generation != resource.metadata.generation {
            return Err(format!("resource {x} is not observed"));
        }
        if resource.spec.is_suspended() {
            continue;
        }
        let ready = status.conditions.iter().find(|condition| condition.type_ == "Ready");
        let ready = ready.ok_or_else(|| format!("resource {x} has no Ready"))?;
        if world.keys[x].0.is_none() {
            if ready.reason == "SecretNotFound" {
                continue;
            }
            return Err(format!("resource {x} has no Secret and says {}", ready.reason));
        }
        let has_check = world.replicas.iter().any(|replica| replica.queue[x].timer.is_some());
        if !has_check {
            return Err(format!("resource {x} has no check to come"));
        }
        for number in &status.phone_numbers {
            check_number(setup, world, x, resource, number)?;
        }
        if let Some(rotation) = awaited(resource) {
            check_wait(world, x, rotation)?;
            continue;
        }
        let all_valid = status.phone_numbers.iter().all(|number| number.state == NumberState::Valid);
        if all_valid != (ready.status == "True") {
            return Err(format!("resource {x}: all valid is {all_valid} and Ready is {}", ready.status));
        }
    }
    Ok(())
}

/// The numbers keep the old key only where the endpoint does not open the new one, or where the rotation was stopped.
fn check_wait(world: &World, x: usize, rotation: &RotationStatus) -> Result<(), String> {
    let is_open = world.keys[x].0.is_some_and(|key| world.targets.iter().all(|opened| opened.contains(&key)));
    match is_open && rotation.stopped.is_none() {
        true => Err(format!("resource {x} is {:?} though the endpoint opens the new key", rotation.phase)),
        false => Ok(()),
    }
}

/// Whether the number keeps what it holds, because the endpoint does not open what the number should hold.
fn must_stay(world: &World, number: &PhoneNumberStatus, rotation: &RotationStatus) -> bool {
    let opens = |key: &str| key_number(key).is_some_and(|key| world.targets.iter().all(|opened| opened.contains(&key)));
    match number.key_fingerprint.as_ref() {
        // In later phases the number waits only if nothing can go back.
        Some(held) if *held == rotation.from => {
            let has_new = world.lines.iter().any(|line| line.key == key_number(&rotation.to));
            let goes_on = opens(&rotation.to) || (has_new && opens(&rotation.from));
            rotation.phase.keeps_old_key() || !goes_on
        }
        Some(held) => *held == rotation.to && !opens(&rotation.from),
        None => false,
    }
}

/// The rotation of a resource whose numbers keep the old key.
fn awaited(resource: &FlowsEncryptionKey) -> Option<&RotationStatus> {
    resource.status.as_ref()?.rotation_under_way().filter(|rotation| rotation.phase.keeps_old_key())
}

/// The key that the numbers should hold for now.
fn expected(world: &World, x: usize, resource: &FlowsEncryptionKey) -> Option<usize> {
    let kept = awaited(resource).map(|rotation| key_number(&rotation.from));
    kept.unwrap_or(world.keys[x].0)
}

fn check_number(
    setup: &Setup,
    world: &World,
    x: usize,
    resource: &FlowsEncryptionKey,
    number: &PhoneNumberStatus,
) -> Result<(), String> {
    let n: usize = number.phone_number_id.parse().unwrap();
    let line = &world.lines[n];
    let is_valid = expected(world, x, resource).is_some_and(|key| line.is_valid(key));
    let is_so = match number.state {
        NumberState::Valid => is_valid,
        NumberState::Conflict => world.owner(n).is_some_and(|owner| owner != x),
        // One foreign key makes no contest.
        NumberState::Contested => {
            !is_valid && setup.budget.foreign_writes - world.budget.foreign_writes >= WRITES_OF_A_CONTEST
        }
        NumberState::Missing | NumberState::Foreign | NumberState::Outdated | NumberState::Mismatch => {
            let rotation = resource.status.as_ref().and_then(|status| status.rotation_under_way());
            let is_kept = rotation.is_some_and(|it| must_stay(world, number, it));
            is_kept || (resource.spec.mode == Mode::Observe && !is_valid)
        }
        NumberState::Pending
        | NumberState::Unreported
        | NumberState::Refused
        | NumberState::Unreachable
        | NumberState::Unregistered => false,
    };
    if is_so && number.next_attempt_time.is_none() {
        Ok(())
    } else {
        Err(format!("number {n} of resource {x} is {:?} and holds {line:?}", number.state))
    }
}
