//! WhatsApp Business Accounts: which ones a resource covers, and what the operator found in them.

#![expect(unreachable_pub, reason = "KubeSchema repeats each struct inside a function")]

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube_derive::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::error::NumberError;
use super::serialization::is_zero;

/// A WhatsApp Business Account. Each connected number of the account must hold the key. The operator finds the numbers by
/// itself, with the permission `whatsapp_business_management`.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[serde(rename_all = "camelCase")]
pub struct BusinessAccount {
    /// The ID of the WhatsApp Business Account. Quote the ID: an unquoted number is not a string in YAML.
    #[schemars(length(min = 1, max = 20), regex(pattern = r"^[0-9]+$"))]
    pub id: String,

    /// Phone number IDs of the account that the operator leaves alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 500), inner(length(min = 1, max = 20), regex(pattern = r"^[0-9]+$")))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub exclude_phone_number_ids: Vec<String>,

    /// Which numbers of the account get the key. Unkeyed: all but those that hold a valid key of somebody else. All: those
    /// too. Default: Unkeyed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adopt: Option<Adopt>,
}

/// Which numbers of an account get the key.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Adopt {
    /// All numbers but those that hold a valid key of somebody else. These are reported, and their key stays.
    #[default]
    Unkeyed,
    /// All numbers.
    All,
}

/// A WhatsApp Business Account of the spec, as the operator last saw it.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[serde(rename_all = "camelCase")]
pub struct BusinessAccountStatus {
    /// The ID of the account.
    #[schemars(length(max = 20))]
    pub id: String,

    /// State of the account.
    pub state: AccountState,

    /// Count of numbers in the last complete list of the account, with those that the spec excludes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub phone_numbers: Option<i32>,

    /// Time of the last complete list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_list_time: Option<Time>,

    /// Time of the next attempt; only during a backoff or a hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_attempt_time: Option<Time>,

    /// Failed attempts in a row.
    #[serde(default, skip_serializing_if = "is_zero")]
    #[schemars(range(min = 0))]
    pub failures: i32,

    /// What to know or to do about the account, in a sentence; absent if there is nothing to say.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 256))]
    pub message: String,

    /// The failed call to Meta; absent once the failure is resolved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<NumberError>,
}

/// State of a WhatsApp Business Account.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AccountState {
    /// Not listed yet.
    #[default]
    Pending,
    /// The numbers of the account are known.
    Listed,
    /// Meta refuses the list of numbers until a person acts: ID or permission.
    Refused,
    /// The resource would have more than 500 numbers, so the operator works on no number that is only in an account.
    TooLarge,
}
