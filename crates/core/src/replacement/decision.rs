//! May the key on a number be replaced? The one rule of a rotation, as a table. Pure.

use crate::api::crd::Gate;
use crate::proof::Tally;

/// What may happen to numbers that hold another valid key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// They get the new key: canary, soak, then all.
    Replace,
    /// They get the new key without a soak. Clients fail now, and the new key is the cure.
    FastForward,
    /// They keep their key until every target opens the new one.
    AwaitEndpoint,
    /// The same. The endpoint has given up the old key, and some targets have the new one already, so that clients fail.
    AwaitSwap,
    /// The same. The endpoint opens neither key, so that a person must act.
    EndpointLacksKeys,
}

impl Decision {
    /// Whether a valid key may be replaced.
    pub fn allows(self) -> bool {
        matches!(self, Self::Replace | Self::FastForward)
    }
}

/// Decides from what the endpoint does with the key in use, which the numbers hold, and with the new key.
///
/// With the gate `Required` a valid key is replaced only while every target opens the new key:
///
/// | the key in use | the new key | decision |
/// |---|---|---|
/// | no target lacks it | opened everywhere | `Replace` |
/// | some target lacks it | opened everywhere | `FastForward` |
/// | some target lacks it | opened by some targets | `AwaitSwap` |
/// | every target lacks it | every target lacks it | `EndpointLacksKeys` |
/// | anything else | | `AwaitEndpoint` |
///
/// Without an endpoint, and with the gate `Report`, nothing waits. A target that does not answer is no proof, and no
/// refusal either: the old key stays valid, so that waiting is safe.
pub fn decide(gate: Option<Gate>, in_use: Tally, new: Tally) -> Decision {
    if new.is_open() && in_use.is_refused() {
        Decision::FastForward
    } else if gate != Some(Gate::Required) || new.is_open() {
        Decision::Replace
    } else if in_use.is_refused() && new.opened > 0 {
        Decision::AwaitSwap
    } else if in_use.is_refused_everywhere() && new.is_refused_everywhere() {
        Decision::EndpointLacksKeys
    } else {
        Decision::AwaitEndpoint
    }
}
