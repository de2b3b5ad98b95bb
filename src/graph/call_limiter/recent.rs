//! A map of bounded size.

use std::collections::HashMap;

/// Entries of one generation. The map keeps two generations: 10 MB at most, at about 100 bytes an entry.
const GENERATION: usize = 50_000;

/// A map that keeps recent entries and drops entries that were not written for long.
pub(super) struct Recent<V> {
    young: HashMap<String, V>,
    old: HashMap<String, V>,
}

impl<V> Default for Recent<V> {
    fn default() -> Self {
        Self { young: HashMap::new(), old: HashMap::new() }
    }
}

impl<V> Recent<V> {
    pub(super) fn get(&self, key: &str) -> Option<&V> {
        self.young.get(key).or_else(|| self.old.get(key))
    }

    pub(super) fn insert(&mut self, key: &str, value: V) {
        if let Some(known) = self.young.get_mut(key) {
            *known = value;
            return;
        }
        if self.young.len() >= GENERATION {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key.to_owned(), value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_again_and_again_stays_and_the_rest_is_bounded() {
        let mut map = Recent::default();
        for n in 0..5 * GENERATION {
            map.insert(&n.to_string(), n);
            if n % 1000 == 0 {
                map.insert("kept", 0);
            }
        }
        assert!(map.young.len() + map.old.len() <= 2 * GENERATION);
        assert_eq!((map.get("kept"), map.get("1")), (Some(&0), None));
        assert_eq!(map.get(&(5 * GENERATION - 1).to_string()), Some(&(5 * GENERATION - 1)));
    }
}
