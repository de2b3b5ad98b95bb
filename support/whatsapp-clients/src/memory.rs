//! How long a client keeps the key of a number.

use std::time::Duration;

use rand::Rng;
use rand::rngs::StdRng;

/// How long a client keeps the key of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Memory {
    /// It asks before each request.
    None,
    /// For this time.
    For(Duration),
    /// Until an endpoint answers 421.
    ForEver,
}

impl Memory {
    /// The kinds take turns, so that a handful of clients has all of them. The time is drawn.
    pub(crate) fn of(client: usize, random: &mut StdRng) -> Self {
        match client % 3 {
            0 => Self::None,
            1 => Self::For(Duration::from_millis(random.gen_range(500..8000))),
            _ => Self::ForEver,
        }
    }

    /// Whether a key of this age is used without asking again.
    pub(crate) fn keeps(self, age: Duration) -> bool {
        match self {
            Self::None => false,
            Self::For(time) => age < time,
            Self::ForEver => true,
        }
    }
}
