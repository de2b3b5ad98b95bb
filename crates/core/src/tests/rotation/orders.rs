//! Every order of a few events: the endpoint as a third party beside Meta and the people who change the Secret. After each
//! order the rule has held at every upload, and the rotation can still come to its end.
//!
//! `WAFLOWS_ROTATION_DEPTH` is how many events follow each other.

use super::super::*;
use super::world::{IDS, NEW, OLD, World, policy};
use crate::api::crd::{ABORT_ANNOTATION, PROCEED_ANNOTATION};

const DEPTH: usize = 2;

#[derive(Debug, Clone, Copy)]
enum Event {
    Load(usize),
    /// The new key takes the place of the old one.
    Swap(usize),
    /// The target has the old key alone, as after a rollback of its Deployment.
    Revert(usize),
    /// A target stops to answer, or answers again.
    Toggle,
    Restart,
    LoseStatus,
    LoseSignature,
    NewSecret,
    OldSecret,
    Abort,
    Proceed,
    /// The time of a soak.
    Time,
}

const EVENTS: [Event; 15] = [
    Event::Load(0),
    Event::Load(1),
    Event::Swap(0),
    Event::Swap(1),
    Event::Revert(0),
    Event::Revert(1),
    Event::Toggle,
    Event::Restart,
    Event::LoseStatus,
    Event::LoseSignature,
    Event::NewSecret,
    Event::OldSecret,
    Event::Abort,
    Event::Proceed,
    Event::Time,
];

impl Event {
    fn happen(self, world: &mut World, step: usize) {
        match self {
            Self::Load(target) if !world.targets[target].keys.contains(&NEW) => world.targets[target].keys.push(NEW),
            Self::Load(_) => {}
            Self::Swap(target) => world.targets[target].keys = vec![NEW],
            Self::Revert(target) => world.targets[target].keys = vec![OLD],
            Self::Toggle => world.targets[0].is_silent = !world.targets[0].is_silent,
            Self::Restart => world.restart(),
            Self::LoseStatus => world.change(|stage| stage.resource.status = None),
            Self::LoseSignature => world.meta.line("2").status = Some("MISMATCH".to_owned()),
            Self::NewSecret => world.change(|stage| stage.set_key(Ok(key(NEW)))),
            Self::OldSecret => world.change(|stage| stage.set_key(Ok(key(OLD)))),
            Self::Abort => world.annotate(ABORT_ANNOTATION, step),
            Self::Proceed => world.annotate(PROCEED_ANNOTATION, step),
            Self::Time => world.pass(10 * MINUTE),
        }
        world.pass(Duration::from_secs(65));
    }
}

#[test]
fn every_order_of_events_keeps_the_rule_and_can_come_to_its_end() {
    let depth = std::env::var("WAFLOWS_ROTATION_DEPTH").ok();
    let depth = depth.map_or(DEPTH, |text| text.parse().expect("WAFLOWS_ROTATION_DEPTH is a number"));
    let mut world = World::new(1, policy());
    world.change(|stage| stage.set_key(Ok(key(NEW))));
    world.pass(MINUTE);
    let halves = EVENTS.split_at(EVENTS.len() / 2);
    std::thread::scope(|scope| {
        for events in [halves.0, halves.1] {
            let world = world.clone();
            scope.spawn(move || events.iter().for_each(|event| follow(&world, *event, depth, &mut Vec::new())));
        }
    });
}

fn follow(world: &World, event: Event, depth: usize, history: &mut Vec<Event>) {
    history.push(event);
    let mut world = world.clone();
    event.happen(&mut world, history.len());
    if history.len() < depth {
        EVENTS.iter().for_each(|next| follow(&world, *next, depth, history));
    } else {
        finish(world, history);
    }
    history.pop();
}

/// Everything is as the new key needs it, and a person says so.
fn finish(mut world: World, history: &[Event]) {
    for target in &mut world.targets {
        (target.keys, target.is_silent) = (vec![OLD, NEW], false);
    }
    world.change(|stage| stage.set_key(Ok(key(NEW))));
    world.pass(MINUTE);
    world.annotate(PROCEED_ANNOTATION, 99);
    world.failures.clear();
    world.pass(30 * MINUTE);
    assert_eq!(world.holds(NEW), IDS.len(), "{history:?}: {:#?}", world.stage.resource.status);
    assert_eq!(world.failures, Vec::<String>::new(), "{history:?}");
}
