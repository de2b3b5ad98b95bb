//! The list edge: phone numbers of a WABA, page by page.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::error::GraphError;
use crate::number::Number;

const DEFAULT_LIMIT: usize = 25;
/// The fields of a number without `fields`.
const DEFAULT_FIELDS: [&str; 6] =
    ["verified_name", "code_verification_status", "display_phone_number", "quality_rating", "platform_type", "id"];

/// How the list of one account goes wrong. The default goes well.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ListSettings {
    /// Which cursor a page gives for the next one.
    pub cursors: Cursors,
    /// Numbers that move between pages while the list is read: no page has them.
    pub missed: BTreeSet<String>,
    /// Numbers that are also on the page after their own.
    pub repeated: BTreeSet<String>,
}

/// Which cursor a page gives for the next one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cursors {
    /// The one that leads on; none on the last page.
    #[default]
    Ordinary,
    /// The one that was used: the list stays on its page.
    Stale,
    /// A new one each time, also after the last page: the list never ends.
    Endless,
    /// `next` without a cursor.
    Absent,
}

#[derive(Debug)]
pub(crate) struct Parameters {
    limit: usize,
    /// The last number of the page before.
    after: Option<String>,
    fields: Option<String>,
}

/// The numbers of a page, and where the list goes on.
#[derive(Debug)]
pub(crate) struct Page {
    entries: Vec<Value>,
    ids: Vec<Arc<str>>,
    limit: usize,
    after: Option<String>,
    has_next: bool,
}

impl Parameters {
    pub(crate) fn new(limit: Option<&str>, after: Option<&str>, fields: Option<String>) -> Self {
        let limit = limit.and_then(|limit| limit.parse().ok());
        let after = after.and_then(|cursor| URL_SAFE_NO_PAD.decode(cursor).ok());
        Self {
            limit: limit.unwrap_or(DEFAULT_LIMIT).clamp(1, 1000),
            after: after.and_then(|id| String::from_utf8(id).ok()),
            fields,
        }
    }

    pub(crate) fn page(
        &self,
        numbers: &BTreeMap<Arc<str>, Number>,
        waba_id: &str,
        settings: &ListSettings,
    ) -> Result<Page, GraphError> {
        let fields = self.fields()?;
        // An endless list gives its last cursor again, with one more slash in front.
        let after = self.after.as_deref().map(|after| after.trim_start_matches('/'));
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let of_account = |number: &Number| *number.waba_id == *waba_id;
        let mut ids: Vec<Arc<str>> = numbers
            .range::<str, _>((start, Bound::Unbounded))
            .filter(|(id, number)| of_account(number) && !settings.missed.contains(&***id))
            .map(|(id, _)| Arc::clone(id))
            .take(self.limit + 1)
            .collect();
        let more = ids.len() > self.limit;
        ids.truncate(self.limit);
        let repeated = after.and_then(|id| numbers.get_key_value(id)).map(|(id, _)| id);
        let shown = repeated.filter(|id| settings.repeated.contains(&***id)).into_iter().chain(&ids);
        let entries = shown.filter_map(|id| Some(entry(id, numbers.get(id)?, &fields))).collect();
        let last = ids.last().map(|id| id.to_string());
        let (after, has_next) = match settings.cursors {
            Cursors::Ordinary => (last, more),
            Cursors::Stale => (after.map(str::to_owned).or(last), true),
            Cursors::Endless if more => (last, true),
            Cursors::Endless => (Some(format!("/{}", last.or(self.after.clone()).unwrap_or_default())), true),
            Cursors::Absent => (None, true),
        };
        Ok(Page { entries, ids, limit: self.limit, after, has_next })
    }

    /// The fields of each number; an unknown one is refused.
    fn fields(&self) -> Result<Vec<&str>, GraphError> {
        let known = |field: &&str| {
            DEFAULT_FIELDS.contains(field) || ["status", "account_mode", "host_platform"].contains(field)
        };
        let Some(fields) = &self.fields else { return Ok(DEFAULT_FIELDS.to_vec()) };
        match fields.split(',').find(|field| !known(field)) {
            Some(unknown) => Err(GraphError::no_such_field(unknown, "WhatsAppBusinessPhoneNumber")),
            None => Ok(fields.split(',').chain(["id"]).collect()),
        }
    }
}

impl Page {
    /// The answer's body; `edge` is the URL of the list without query. As at Meta, `next` holds the access token: a client
    /// that follows it, or writes it down, gives the token away.
    pub(crate) fn body(&self, edge: &str, token: &str) -> Value {
        if self.ids.is_empty() && !self.has_next {
            return json!({ "data": self.entries });
        }
        let mut paging = json!({});
        if let Some(after) = &self.after {
            let before = self.ids.first().map(|id| cursor(id)).unwrap_or_default();
            paging["cursors"] = json!({"before": before, "after": cursor(after)});
        }
        if self.has_next {
            let after = self.after.as_deref().map(cursor).unwrap_or_default();
            let token: String = form_urlencoded::byte_serialize(token.as_bytes()).collect();
            paging["next"] = format!("{edge}?access_token={token}&limit={}&after={after}", self.limit).into();
        }
        json!({"data": self.entries, "paging": paging})
    }
}

fn cursor(id: &str) -> String {
    URL_SAFE_NO_PAD.encode(id)
}

fn entry(id: &str, number: &Number, fields: &[&str]) -> Value {
    let all = json!({
        "verified_name": "Storefront",
        "code_verification_status": "VERIFIED",
        "display_phone_number": format!("+{id}"),
        "quality_rating": "GREEN",
        "platform_type": "CLOUD_API",
        "status": number.listed.status,
        "account_mode": "LIVE",
        "host_platform": number.listed.host_platform,
        "id": id,
    });
    let all = all.as_object().cloned().unwrap_or_default();
    all.into_iter().filter(|(name, _)| fields.contains(&name.as_str())).collect::<Map<_, _>>().into()
}
