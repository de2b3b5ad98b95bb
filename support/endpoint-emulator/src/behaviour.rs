//! How a replica answers.

use serde::{Deserialize, Serialize};

/// How a replica answers. All but the first are mistakes that endpoints make.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Behaviour {
    /// As Meta's guide says: 421 where no key opens the request, 432 where the signature is wrong.
    #[default]
    Right,
    /// The same, with a line end behind the base64.
    LineEnd,
    /// The base64 in quotes, as a framework writes a string in JSON.
    Quoted,
    /// JSON in the clear.
    Clear,
    /// A page to sign in, with 200.
    Page,
    /// Encrypted with the initialization vector of the request as it is.
    IvNotFlipped,
    /// Encrypted with another AES key.
    OtherAesKey,
    /// Encrypted as it must be, and no answer to a health check.
    OtherPayload,
    /// Where no key opens the request: this HTTP status in place of 421.
    Undecryptable(u16),
    /// This HTTP status, whatever is asked.
    Status(u16),
    /// 308 to another place.
    Redirect,
    /// No answer at all; the connection stays open.
    Silent,
    /// 200, and then a byte of the right answer each second.
    Dripping,
    /// 200, and base64 without end.
    Endless,
    /// 200, and a connection that breaks before the answer is complete.
    Broken,
}
