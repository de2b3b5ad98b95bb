//! WhatsApp clients: they encrypt with a key that they may have fetched long ago.

use std::collections::HashMap;

use fastrand::Rng;
use jiff::Timestamp;

use super::super::meta::Model;
use super::world::Target;

/// Clients of each number that keep a key for no time, for a minute, or for ever.
#[derive(Debug, Clone, Default)]
pub(super) struct Clients {
    cached: HashMap<(String, usize), (usize, Timestamp)>,
}

/// How long each kind of client keeps a key, in seconds.
const KEEPS: [i64; 3] = [0, 60, i64::MAX];

impl Clients {
    /// One request to a random target. What the user sees if it fails.
    ///
    /// A client that gets HTTP 421 fetches the key and tries once more. It uses a key only if its signature is valid.
    pub(super) fn request(
        &mut self,
        random: &mut Rng,
        meta: &Model,
        targets: &[Target],
        now: Timestamp,
    ) -> Option<String> {
        let ids: Vec<_> = meta.lines.keys().collect();
        let (id, kind) = (ids[random.usize(..ids.len())], random.usize(..KEEPS.len()));
        let fetched = meta.lines[id].key.filter(|key| meta.lines[id].is_valid(*key));
        let cached = self.cached.get(&(id.clone(), kind));
        let cached = cached.filter(|(_, at)| now.duration_since(*at).as_secs() <= KEEPS[kind]).map(|(key, _)| *key);
        // Without a valid signature there is nothing to encrypt with: Meta's fault, and not the endpoint's.
        let key = cached.or(fetched)?;
        let first = &targets[random.usize(..targets.len())];
        if cached.is_none() {
            self.cached.insert((id.clone(), kind), (key, now));
        }
        if first.opens(key) {
            return None;
        }
        if !first.answers_421 {
            return Some(format!("{id}: {} fails with key {key} and not with 421", first.name));
        }
        let key = fetched?;
        self.cached.insert((id.clone(), kind), (key, now));
        let second = &targets[random.usize(..targets.len())];
        (!second.opens(key)).then(|| format!("{id}: {} lacks key {key}", second.name))
    }
}
