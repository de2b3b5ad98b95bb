//! The configuration of leader election: Lease, identity and timing.

use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::{BuildHasher, Hasher};
use std::path::Path;
use std::time::Duration;

const NAMESPACE_FILE: &str = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";
const HOSTNAME_FILE: &str = "/proc/sys/kernel/hostname";

/// The configuration of one candidate.
#[derive(Debug, Clone)]
pub struct LeaseConfig {
    /// Namespace of the Lease.
    pub namespace: String,
    /// Name of the Lease.
    pub name: String,
    /// Unique name of this process: see [`identity`].
    pub identity: String,
    /// Lease duration and renew deadline.
    pub timing: Timing,
}

impl fmt::Display for LeaseConfig {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.namespace, self.name)
    }
}

/// Lease duration and renew deadline. Candidates may have different timings: a candidate waits for the duration in the
/// holder's record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Timing {
    lease_duration: Duration,
    renew_deadline: Duration,
}

/// The timing cannot prevent two leaders at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTiming {
    /// The duration does not fit: a Lease has whole seconds in 32 bits.
    #[error("--lease-duration {0:?} must be between 1s and {max}s", max = i32::MAX)]
    LeaseDuration(Duration),
    /// The renew deadline is not shorter: the holder must stop before another candidate may lead.
    #[error(
        "--renew-deadline {renew_deadline:?} must be longer than 0s and shorter than --lease-duration \
         {lease_duration:?}: a leader has to stop before another replica may take over"
    )]
    RenewDeadline {
        /// The value of the flag.
        renew_deadline: Duration,
        /// The value of the flag.
        lease_duration: Duration,
    },
}

impl Timing {
    /// The Lease expires if it is not renewed for `lease_duration`. Its holder stops leading if it cannot renew the
    /// Lease for `renew_deadline`.
    ///
    /// # Errors
    /// Unless 0 < `renew_deadline` < `lease_duration`, and `lease_duration` is at least a second.
    pub fn new(lease_duration: Duration, renew_deadline: Duration) -> Result<Self, InvalidTiming> {
        if lease_duration < Duration::from_secs(1)
            || lease_duration > Duration::from_secs(i32::MAX.unsigned_abs().into())
        {
            return Err(InvalidTiming::LeaseDuration(lease_duration));
        }
        if renew_deadline.is_zero() || renew_deadline >= lease_duration {
            return Err(InvalidTiming::RenewDeadline { renew_deadline, lease_duration });
        }
        Ok(Self { lease_duration, renew_deadline })
    }

    /// Validity of a Lease from its last renewal.
    pub fn lease_duration(&self) -> Duration {
        self.lease_duration
    }

    /// Time for which a leader leads after its last renewal.
    pub fn renew_deadline(&self) -> Duration {
        self.renew_deadline
    }

    /// Time between two attempts: 2 s for the default deadline of 10 s.
    pub fn retry_period(&self) -> Duration {
        self.renew_deadline / 5
    }

    /// Timeout of one request. A leader has more than one attempt even if the API server hangs.
    pub fn request_timeout(&self) -> Duration {
        self.renew_deadline / 2
    }

    /// Time after the end of a term in which nobody else can lead. A call that a leader starts just before the end must
    /// finish within this time.
    pub fn margin(&self) -> Duration {
        self.lease_duration - self.renew_deadline
    }
}

/// A unique name for this process: the pod's name (`POD_NAME`) or the host name, and a random suffix. A restarted
/// container keeps its pod's name, and must not mistake its predecessor's Lease for its own.
pub fn identity() -> String {
    let named = |name: String| Some(name.trim().to_owned()).filter(|name| !name.is_empty());
    let host = std::env::var("POD_NAME")
        .ok()
        .and_then(named)
        .or_else(|| std::fs::read_to_string(HOSTNAME_FILE).ok().and_then(named))
        .unwrap_or_else(|| env!("CARGO_PKG_NAME").to_owned());
    // The operating system seeds the hasher.
    let suffix = RandomState::new().build_hasher().finish();
    format!("{host}_{suffix:016x}")
}

/// The default namespace of the Lease: the pod's namespace, else the namespace of the kubeconfig's context.
pub fn own_namespace(config: &kube::Config) -> String {
    namespace_in(Path::new(NAMESPACE_FILE)).unwrap_or_else(|| config.default_namespace.clone())
}

fn namespace_in(file: &Path) -> Option<String> {
    let namespace = std::fs::read_to_string(file).ok()?;
    Some(namespace.trim().to_owned()).filter(|namespace| !namespace.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn the_default_timing_is_that_of_client_go() {
        let timing = Timing::new(seconds(15), seconds(10)).unwrap();
        assert_eq!([timing.retry_period(), timing.request_timeout(), timing.margin()], [2, 5, 5].map(seconds));
    }

    #[test]
    fn a_timing_that_allows_two_leaders_is_refused_and_names_the_flags() {
        for (lease_duration, renew_deadline) in [(15, 15), (15, 16), (15, 0)] {
            let error = Timing::new(seconds(lease_duration), seconds(renew_deadline)).unwrap_err().to_string();
            let flags = format!("--renew-deadline {renew_deadline}s");
            assert!(error.contains(&flags) || error.contains("--renew-deadline 0ns"), "{error}");
            assert!(error.contains("--lease-duration 15s"), "{error}");
        }
        for lease_duration in [Duration::from_millis(999), Duration::MAX] {
            let error = Timing::new(lease_duration, Duration::from_millis(1)).unwrap_err();
            assert_eq!(error, InvalidTiming::LeaseDuration(lease_duration));
            assert!(error.to_string().contains("must be between 1s and 2147483647s"), "{error}");
        }
    }

    #[test]
    fn no_two_identities_are_the_same() {
        let (first, second) = (identity(), identity());
        assert_ne!(first, second);
        let (host, suffix) = first.rsplit_once('_').unwrap();
        assert!(second.starts_with(host) && !host.is_empty() && suffix.len() == 16);
    }

    #[test]
    fn the_namespace_of_the_pod_goes_before_that_of_the_kubeconfig() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("namespace");
        assert_eq!(namespace_in(&file), None);
        std::fs::write(&file, "\n").unwrap();
        assert_eq!(namespace_in(&file), None);
        std::fs::write(&file, "messaging\n").unwrap();
        assert_eq!(namespace_in(&file).as_deref(), Some("messaging"));

        let mut config = kube::Config::new(http::Uri::from_static("https://localhost"));
        config.default_namespace = "of-the-context".to_owned();
        assert_eq!(own_namespace(&config), "of-the-context");
    }
}
