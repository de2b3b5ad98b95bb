//! The rights in the cluster that each verb needs. docs/cli.md lists them, and `tests/verbs/rights.rs` runs each verb with
//! exactly these.

/// Verbs of the Kubernetes API, and the kind of object.
pub type Right = (&'static str, &'static str);

/// The rights for one verb of this program.
#[derive(Debug, Clone, Copy)]
pub struct Rights {
    /// The verb.
    pub verb: &'static str,
    /// Without these the verb fails.
    pub needs: &'static [Right],
    /// Without these the verb shows less.
    pub helps: &'static [Right],
}

const RESOURCES: &str = "flowsencryptionkeys.waflows.dev";
const OPERATOR: [Right; 3] =
    [("list", "deployments.apps"), ("get", "leases.coordination.k8s.io"), ("get", "pods/proxy")];

/// The rights of each verb that asks a cluster.
pub const RIGHTS: &[Rights] = &[
    Rights { verb: "status", needs: &[("get,list,watch", RESOURCES)], helps: &OPERATOR },
    Rights { verb: "wait", needs: &[("get,list,watch", RESOURCES)], helps: &[] },
    Rights { verb: "sync", needs: &[("get,list,watch,patch", RESOURCES)], helps: &[] },
    Rights { verb: "suspend", needs: &[("get,list,patch", RESOURCES)], helps: &[] },
    Rights { verb: "resume", needs: &[("get,list,patch", RESOURCES)], helps: &[] },
    Rights { verb: "rotate", needs: &[("get,list,watch,patch", RESOURCES), ("get,patch", "secrets")], helps: &[] },
    Rights { verb: "proceed", needs: &[("get,list,watch,patch", RESOURCES)], helps: &[] },
    Rights { verb: "abort", needs: &[("get,list,watch,patch", RESOURCES)], helps: &[] },
    Rights { verb: "check", needs: &[("list", RESOURCES), ("get", "secrets")], helps: &[] },
    Rights { verb: "numbers", needs: &[("get", RESOURCES), ("get", "secrets")], helps: &[] },
    Rights { verb: "token", needs: &[("get", RESOURCES), ("get", "secrets")], helps: &[] },
    Rights {
        verb: "ping",
        needs: &[
            ("get", RESOURCES),
            ("get", "secrets"),
            ("get", "services"),
            ("get", "pods"),
            ("list", "endpointslices.discovery.k8s.io"),
        ],
        helps: &[],
    },
    Rights {
        verb: "version",
        needs: &[],
        helps: &[("get", "customresourcedefinitions.apiextensions.k8s.io"), OPERATOR[0], OPERATOR[1]],
    },
    Rights {
        verb: "report",
        needs: &[("list", RESOURCES)],
        helps: &[
            ("get", "secrets"),
            ("list", "events.events.k8s.io"),
            ("list", "deployments.apps"),
            ("list", "leases.coordination.k8s.io"),
            ("list", "pods"),
            ("get", "pods/log"),
        ],
    },
];
