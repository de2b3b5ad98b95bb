//! The values of labels.

macro_rules! label_values {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])+ $value:ident => $text:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name { $($(#[$doc])+ $value,)+ }

        impl $name {
            /// All values, in the order of this file.
            pub const ALL: [Self; [$($text),+].len()] = [$(Self::$value),+];

            /// The value of the label.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$value => $text,)+ }
            }
        }
    };
}

label_values! {
    /// The outcome of a reconcile.
    ReconcileOutcome {
        /// The status was written.
        Written => "written",
        /// There was nothing to write.
        Unchanged => "unchanged",
        /// A request to the API server failed.
        Failed => "failed",
        /// The status was not written: the resource was deleted or changed, or another process wrote first.
        Dropped => "dropped",
    }
}

label_values! {
    /// The result of an upload.
    UploadResult {
        /// The read back showed the key with a valid signature.
        Valid => "valid",
        /// The read back showed something else.
        NotValid => "not_valid",
        /// The upload was refused or its result is unknown, and the read back showed no valid key.
        Failed => "failed",
    }
}

label_values! {
    /// The call to Meta.
    Operation {
        /// Read the key of a number.
        Read => "read",
        /// Upload a key to a number.
        Upload => "upload",
        /// List the numbers of an account.
        List => "list",
        /// Ask what an access token may do.
        Inspect => "inspect",
    }
}

label_values! {
    /// The watched kind of object.
    Watched {
        /// The operator's own resources.
        Resources => "flowsencryptionkeys",
        /// The Secrets that the resources may refer to.
        Secrets => "secrets",
        /// The namespaces that a label selector chooses.
        Namespaces => "namespaces",
    }
}

impl Watched {
    /// The name of the watch loop, for the body of `/healthz`.
    pub fn loop_name(self) -> &'static str {
        match self {
            Self::Resources => "the watch of flowsencryptionkeys",
            Self::Secrets => "the watch of secrets",
            Self::Namespaces => "the watch of namespaces",
        }
    }
}
