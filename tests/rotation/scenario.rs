//! One gated rotation with troubles, all drawn from a seed.

use std::time::Duration;

use fault_proxy::Side;
use graph_emulator::{Fault, FaultAction, GraphError, RateLimit, RetryAfter};
use harness::TOKEN;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use serde_json::json;

use crate::stage::{NUMBERS, Setup};

/// What happens during a rotation.
#[derive(Debug)]
pub(crate) struct Scenario {
    pub(crate) setup: Setup,
    /// How long after its Secret each pod has the new key beside the old one.
    pub(crate) lags: Vec<Duration>,
    /// Whether the operator's Secret changes before the endpoint's, or after the last pod has the key.
    pub(crate) operator_first: bool,
    /// The troubles, and how long each comes after the one before.
    pub(crate) troubles: Vec<(Duration, Trouble)>,
}

/// What goes wrong.
#[derive(Debug, Clone)]
pub(crate) enum Trouble {
    /// The operator's process is killed, and started again.
    Kill,
    /// The same at one of its next writes.
    KillAtWrite(usize, Side),
    /// The API server refuses statuses because of a conflict.
    Conflicts,
    /// Somebody else changes the resource again and again.
    Edits,
    /// Meta fails, refuses or loses calls.
    Meta(Box<Fault>),
    /// Meta loses the signature of a number, which the operator is asked to find.
    LostSignature(&'static str),
    /// Other pods take the place of those that serve. They have both keys.
    Replacement,
    /// Somebody deletes the status.
    DeletedStatus,
}

impl Scenario {
    /// The scenario of a seed.
    pub(crate) fn of(seed: u64) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let (numbers, replicas) = (random.gen_range(1..=NUMBERS.len()), random.gen_range(1..=3));
        let seconds = |random: &mut StdRng, most: u64| format!("{}s", random.gen_range(0..=most));
        let mut rotation = json!({"soak": seconds(&mut random, 1), "overlap": seconds(&mut random, 2)});
        if random.gen_bool(0.3) {
            rotation["canaryPhoneNumberId"] = json!(NUMBERS[..numbers].choose(&mut random));
        }
        let slow = random.gen_bool(0.3);
        let lags = (0..replicas).map(|_| random.gen_range(0..if slow { 4000 } else { 800 }));
        let lags = lags.map(Duration::from_millis).collect();
        let troubles = (0..random.gen_range(0..=3)).map(|_| {
            let after = Duration::from_millis(random.gen_range(0..1200));
            (after, Trouble::draw(&mut random, &NUMBERS[..numbers]))
        });
        let troubles = without_losses_after_deletion(troubles);
        let setup = Setup { seed, numbers, replicas, spare: replicas, gate: Some("Required"), rotation };
        Self { setup, lags, operator_first: random.gen_bool(0.7), troubles }
    }

    /// Whether something like this goes wrong.
    pub(crate) fn has(&self, is: impl Fn(&Trouble) -> bool) -> bool {
        self.troubles.iter().any(|(_, trouble)| is(trouble))
    }

    /// How often a number loses its signature.
    pub(crate) fn losses(&self, number: &str) -> usize {
        let is = |trouble: &Trouble| matches!(trouble, Trouble::LostSignature(lost) if *lost == number);
        self.troubles.iter().filter(|(_, trouble)| is(trouble)).count()
    }
}

impl Trouble {
    fn draw(random: &mut StdRng, numbers: &[&'static str]) -> Self {
        match random.gen_range(0..11) {
            0 => Self::Kill,
            1 | 2 => Self::KillAtWrite(random.gen_range(1..=14), Side::Before),
            3 | 4 => Self::KillAtWrite(random.gen_range(1..=14), Side::After),
            5 => Self::Conflicts,
            6 => Self::Edits,
            7 => Self::Meta(Box::new(fault(random))),
            8 => Self::LostSignature(numbers.choose(random).copied().unwrap_or_default()),
            9 => Self::Replacement,
            _ => Self::DeletedStatus,
        }
    }
}

/// The troubles, without signatures that are lost after the status was deleted. A number without a signature gets the
/// key of the Secret, whatever the endpoint says: only the status knows that the number holds a key of the resource.
fn without_losses_after_deletion(troubles: impl Iterator<Item = (Duration, Trouble)>) -> Vec<(Duration, Trouble)> {
    let mut is_deleted = false;
    let is_possible = |(_, trouble): &(Duration, Trouble)| {
        is_deleted |= matches!(trouble, Trouble::DeletedStatus);
        !(is_deleted && matches!(trouble, Trouble::LostSignature(_)))
    };
    troubles.filter(is_possible).collect()
}

/// A fault of the operator's calls to Meta that passes.
fn fault(random: &mut StdRng) -> Fault {
    let server_error = GraphError::new(500, 2, "Service temporarily unavailable").transient(true);
    let rate_limit = RateLimit { retry_after: Some(RetryAfter::Seconds(1)), ..RateLimit::default() };
    let fault = match random.gen_range(0..5) {
        0 => Fault::error(server_error).probability(0.5).times(8),
        1 => Fault::new(FaultAction::ProxyError { status: 502 }).times(4),
        2 => Fault::new(FaultAction::RateLimit(rate_limit)).times(2),
        3 => Fault::lost_upload().times(1),
        _ => Fault::new(FaultAction::ResetBeforeAnswer).uploads().times(1).landing(),
    };
    fault.token(TOKEN)
}
