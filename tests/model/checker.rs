//! The model as the checker sees it: what may happen in a state, and what must hold in each.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Mutex;
use std::time::Instant;

use stateright::{Checker, HasDiscoveries, Model, Property};

use crate::environment::{Fate, STEP};
use crate::history::Violation;
use crate::objects::second_key;
use crate::rest::{Distances, steps_to_rest};
use crate::setup::Setup;
use crate::world::{CALL_TIMEOUT, RunningReconcile, World};

/// The name of the property that every state comes to rest.
pub(crate) const COMES_TO_REST: &str = "comes to rest";

/// One step. Numbers stand for a process, a resource (`x`) or a phone number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    Begin {
        replica: usize,
        x: usize,
    },
    Send {
        replica: usize,
        x: usize,
    },
    Arrive {
        replica: usize,
        x: usize,
        lags: bool,
    },
    GiveUp {
        replica: usize,
        x: usize,
    },
    Answer {
        replica: usize,
        x: usize,
    },
    Finish {
        replica: usize,
        x: usize,
    },
    Probe {
        replica: usize,
        x: usize,
    },
    Crash {
        replica: usize,
    },
    Elect {
        replica: usize,
        fate: Fate,
    },
    Learn {
        replica: usize,
        x: usize,
    },
    ArriveLate,
    Vanish,
    Pass,
    CatchUp {
        number: usize,
    },
    WriteForeign {
        number: usize,
    },
    LoseSignature {
        number: usize,
    },
    Outage {
        number: usize,
    },
    Recover {
        number: usize,
    },
    Deregister {
        number: usize,
    },
    /// With the first key of the resource, and with the second.
    ChangeKeys {
        target: usize,
        keys: [bool; 2],
    },
    Abort {
        x: usize,
    },
    Proceed {
        x: usize,
    },
    SetKey {
        x: usize,
        key: Option<usize>,
    },
    ToggleSuspend {
        x: usize,
    },
    ToggleMode {
        x: usize,
    },
    RequestSync {
        x: usize,
    },
    Delete {
        x: usize,
    },
}

/// The model of a setup.
pub(crate) struct Operator {
    setup: Setup,
    distances: Distances,
}

/// For each violated property: the steps that led to the violation.
pub(crate) type Found = HashMap<&'static str, String>;

impl Operator {
    fn moves_of_reconcile(&self, world: &World, replica: usize, x: usize, actions: &mut Vec<Action>) {
        let state = &world.replicas[replica];
        let Some(reconcile) = &state.reconciles[x] else {
            // A resource that is gone is not in the queue.
            if state.queue[x].is_ready(world.now) && world.leads(&self.setup, replica) && world.resources[x].is_some() {
                actions.push(Action::Begin { replica, x });
            }
            return;
        };
        match &reconcile.in_flight {
            None if !reconcile.has_uploads_left() => actions.push(Action::Finish { replica, x }),
            None => actions.push(Action::Send { replica, x }),
            Some(in_flight) => {
                let is_over = in_flight.is_given_up || world.since(in_flight.sent) >= CALL_TIMEOUT;
                if !in_flight.has_arrived && !is_over {
                    actions.push(Action::Arrive { replica, x, lags: false });
                    if world.budget.lags > 0 {
                        actions.push(Action::Arrive { replica, x, lags: true });
                    }
                }
                if !is_over && world.budget.lost_answers > 0 {
                    actions.push(Action::GiveUp { replica, x });
                }
                if in_flight.has_arrived || is_over {
                    actions.push(Action::Answer { replica, x });
                }
            }
        }
    }

    fn moves_of_process(&self, world: &World, replica: usize, actions: &mut Vec<Action>) {
        for x in 0..world.resources.len() {
            self.moves_of_reconcile(world, replica, x, actions);
            if world.replicas[replica].probing[x].is_due(world.now) {
                actions.push(Action::Probe { replica, x });
            }
            if world.is_behind(replica, x) {
                actions.push(Action::Learn { replica, x });
            }
        }
        if world.budget.crashes > 0 {
            actions.push(Action::Crash { replica });
        }
        if world.has_election_step(replica) {
            actions.push(Action::Elect { replica, fate: Fate::Answered });
            if world.budget.failed_renewals > 0 {
                actions.push(Action::Elect { replica, fate: Fate::AnswerLost });
                actions.push(Action::Elect { replica, fate: Fate::RequestLost });
            }
        }
    }

    fn moves_of_meta(&self, world: &World, actions: &mut Vec<Action>) {
        let budget = &world.budget;
        for (number, line) in world.lines.iter().enumerate() {
            let possible = [
                (line.stale.is_some(), Action::CatchUp { number }),
                (budget.foreign_writes > 0, Action::WriteForeign { number }),
                (budget.lost_signatures > 0 && line.signed, Action::LoseSignature { number }),
                (budget.outages > 0 && !line.is_down, Action::Outage { number }),
                (line.is_down, Action::Recover { number }),
                (budget.deregistrations > 0 && !line.is_unregistered, Action::Deregister { number }),
            ];
            actions.extend(possible.into_iter().filter(|(is_so, _)| *is_so).map(|(_, action)| action));
        }
        if world.ghost.is_some() {
            actions.extend([Action::ArriveLate, Action::Vanish]);
        }
    }

    fn moves_of_endpoint(world: &World, actions: &mut Vec<Action>) {
        if world.budget.key_changes == 0 {
            return;
        }
        for (target, opened) in world.targets.iter().enumerate() {
            let now = [0, second_key(0)].map(|key| opened.contains(&key));
            let others = [[true, false], [false, true], [true, true]].into_iter().filter(|keys| *keys != now);
            actions.extend(others.map(|keys| Action::ChangeKeys { target, keys }));
        }
    }

    fn moves_of_people(&self, world: &World, actions: &mut Vec<Action>) {
        let budget = &world.budget;
        for (x, resource) in world.resources.iter().enumerate() {
            if resource.is_none() {
                continue;
            }
            let possible = [
                (budget.suspensions > 0, Action::ToggleSuspend { x }),
                (budget.mode_changes > 0, Action::ToggleMode { x }),
                (budget.sync_requests > 0, Action::RequestSync { x }),
                (budget.deletions > 0, Action::Delete { x }),
                (budget.aborts > 0, Action::Abort { x }),
                (budget.proceeds > 0, Action::Proceed { x }),
            ];
            actions.extend(possible.into_iter().filter(|(is_so, _)| *is_so).map(|(_, action)| action));
            // Its own first key, its own second key, and what the other resource has.
            let mut keys: Vec<_> =
                [x, second_key(x)].into_iter().chain(world.keys.iter().filter_map(|(key, _)| *key)).collect();
            keys.sort_unstable();
            keys.dedup();
            match world.keys[x].0 {
                Some(now) if budget.rotations > 0 => {
                    let others = keys.into_iter().filter(|key| *key != now);
                    actions.extend(others.map(|key| Action::SetKey { x, key: Some(key) }));
                }
                None => actions.push(Action::SetKey { x, key: Some(x) }),
                Some(_) => {}
            }
            if budget.removals > 0 && world.keys[x].0.is_some() {
                actions.push(Action::SetKey { x, key: None });
            }
        }
    }

    fn may_pass(&self, world: &World) -> bool {
        let in_time = world.may_pass();
        match world.replicas.len() {
            1 => in_time && !world.is_busy() && world.next_event().is_some(),
            _ => in_time && world.budget.steps > 0,
        }
    }

    fn perform(&self, world: &mut World, action: Action) {
        let setup = &self.setup;
        match action {
            Action::Begin { replica, x } => world.begin(setup, replica, x),
            Action::Send { replica, x } => world.send(setup, replica, x),
            Action::Arrive { replica, x, lags } => {
                world.budget.lags -= u8::from(lags);
                world.arrive(replica, x, lags);
            }
            Action::GiveUp { replica, x } => {
                world.budget.lost_answers -= 1;
                world.leave_behind(replica, x);
            }
            Action::Answer { replica, x } => {
                let has_arrived =
                    |reconcile: &RunningReconcile| reconcile.in_flight.as_ref().is_none_or(|it| it.has_arrived);
                if !world.replicas[replica].reconciles[x].as_ref().is_none_or(has_arrived) {
                    world.leave_behind(replica, x);
                }
                world.answer(setup, replica, x);
            }
            Action::Probe { replica, x } => world.probe(setup, replica, x),
            Action::Finish { replica, x } => world.finish(setup, replica, x),
            Action::Crash { replica } => {
                world.budget.crashes -= 1;
                world.crash(setup, replica);
            }
            Action::Elect { replica, fate } => {
                world.budget.failed_renewals -= u8::from(fate != Fate::Answered);
                world.elect(replica, fate);
            }
            Action::Learn { replica, x } => world.learn(replica, x),
            Action::ArriveLate => world.arrive_late(),
            Action::Vanish => world.ghost = None,
            Action::Pass if world.replicas.len() > 1 => {
                world.budget.steps -= 1;
                world.pass_until(world.now + STEP);
            }
            Action::Pass => {
                if let Some(next) = world.next_event() {
                    world.pass_until(next);
                }
            }
            _ => Self::disturb(world, action),
        }
    }

    fn disturb(world: &mut World, action: Action) {
        let budget = &mut world.budget;
        let left = match action {
            Action::WriteForeign { .. } => &mut budget.foreign_writes,
            Action::LoseSignature { .. } => &mut budget.lost_signatures,
            Action::Outage { .. } => &mut budget.outages,
            Action::Deregister { .. } => &mut budget.deregistrations,
            Action::SetKey { key: None, .. } => &mut budget.removals,
            Action::SetKey { x, key: Some(_) } if world.keys[x].0.is_some() => &mut budget.rotations,
            Action::ToggleSuspend { .. } => &mut budget.suspensions,
            Action::ToggleMode { .. } => &mut budget.mode_changes,
            Action::RequestSync { .. } => &mut budget.sync_requests,
            Action::Delete { .. } => &mut budget.deletions,
            Action::ChangeKeys { .. } => &mut budget.key_changes,
            Action::Abort { .. } => &mut budget.aborts,
            Action::Proceed { .. } => &mut budget.proceeds,
            _ => &mut 1,
        };
        *left -= 1;
        match action {
            Action::CatchUp { number } => world.lines[number].stale = None,
            Action::WriteForeign { number } => world.write_foreign(number),
            Action::LoseSignature { number } => world.lose_signature(number),
            Action::Outage { number } => world.lines[number].is_down = true,
            Action::Recover { number } => world.lines[number].is_down = false,
            Action::Deregister { number } => world.lines[number].is_unregistered = true,
            Action::SetKey { x, key } => world.set_key(x, key),
            Action::ToggleSuspend { x } => world.toggle_suspend(x),
            Action::ToggleMode { x } => world.toggle_mode(x),
            Action::RequestSync { x } => world.request_sync(x),
            Action::Delete { x } => world.delete(x),
            Action::ChangeKeys { target, keys } => world.change_keys(target, keys),
            Action::Abort { x } => world.abort(x),
            Action::Proceed { x } => world.proceed(x),
            _ => unreachable!("no disturbance: {action:?}"),
        }
    }
}

macro_rules! never {
    ($($violation:ident),+ $(,)?) => {
        vec![$(Property::always(stringify!($violation), |_, world: &World| {
            !world.history.violations.contains(&Violation::$violation)
        })),+]
    };
}

impl Model for Operator {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        vec![World::new(&self.setup)]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        // What follows a violation is of no interest.
        if !world.history.violations.is_empty() {
            return;
        }
        for replica in 0..world.replicas.len() {
            self.moves_of_process(world, replica, actions);
        }
        if self.may_pass(world) {
            actions.push(Action::Pass);
        }
        self.moves_of_meta(world, actions);
        Self::moves_of_endpoint(world, actions);
        self.moves_of_people(world, actions);
    }

    fn next_state(&self, world: &World, action: Action) -> Option<World> {
        let mut next = world.clone();
        self.perform(&mut next, action);
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties: Vec<Property<Self>> = never![
            UploadOfFollower,
            WriteOfFollower,
            UploadOfOther,
            ForbiddenUpload,
            UploadOfOldKey,
            UnprovenKey,
            NeedlessUpload,
            UntriedKey,
            FalseReady,
            ReconcilingAndStalled,
        ];
        properties.push(Property::always(COMES_TO_REST, |model: &Self, world: &World| {
            !world.history.violations.is_empty() || steps_to_rest(&model.setup, world, &model.distances).is_ok()
        }));
        properties
    }
}

/// Visits every state of the model, or enough of them to see this property violated.
pub(crate) fn check(setup: &Setup, until: Option<&'static str>) -> Found {
    let begun = Instant::now();
    let model = Operator { setup: setup.clone(), distances: Mutex::new(HashMap::new()) };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let finish = until.map_or(HasDiscoveries::AllFailures, |property| HasDiscoveries::AnyOf([property].into()));
    let checker = model.checker().threads(threads).finish_when(finish).spawn_bfs().join();
    let states = checker.unique_state_count();
    let longest = checker.model().distances.lock().unwrap().values().copied().max().unwrap_or_default();
    let mutation = setup.mutation.map(|mutation| format!(" with {mutation:?}")).unwrap_or_default();
    println!(
        "{}{mutation}: {states} states, depth {}, at most {longest} steps from rest, {:.1} s",
        setup.name,
        checker.max_depth(),
        begun.elapsed().as_secs_f64(),
    );
    let found = checker.discoveries().into_iter();
    found
        .map(|(property, path)| {
            let mut trace = String::new();
            let last = path.last_state().clone();
            for action in path.into_actions() {
                let _ = writeln!(trace, "  {action:?}");
            }
            if property == COMES_TO_REST {
                let why = steps_to_rest(setup, &last, &Mutex::default());
                let _ = writeln!(trace, "  and then: {why:?}");
            }
            (property, trace)
        })
        .collect()
}
