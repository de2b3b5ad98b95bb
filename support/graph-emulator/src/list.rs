//! The list edge: phone numbers of a WABA, page by page.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::number::Number;

const DEFAULT_LIMIT: usize = 25;

#[derive(Debug)]
pub(crate) struct Parameters {
    limit: usize,
    /// The last number of the page before.
    after: Option<String>,
}

/// Phone number IDs in order, and whether more follow.
#[derive(Debug)]
pub(crate) struct Page {
    ids: Vec<Arc<str>>,
    limit: usize,
    more: bool,
}

impl Parameters {
    pub(crate) fn new(limit: Option<&str>, after: Option<&str>) -> Self {
        let limit = limit.and_then(|limit| limit.parse().ok());
        let after = after.and_then(|cursor| URL_SAFE_NO_PAD.decode(cursor).ok());
        Self {
            limit: limit.unwrap_or(DEFAULT_LIMIT).clamp(1, 1000),
            after: after.and_then(|id| String::from_utf8(id).ok()),
        }
    }

    pub(crate) fn page(&self, numbers: &BTreeMap<Arc<str>, Number>, waba_id: &str) -> Page {
        let start = self.after.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let numbers = numbers.range::<str, _>((start, Bound::Unbounded));
        let mut ids: Vec<Arc<str>> = numbers
            .filter(|(_, number)| *number.waba_id == *waba_id)
            .map(|(id, _)| Arc::clone(id))
            .take(self.limit + 1)
            .collect();
        let more = ids.len() > self.limit;
        ids.truncate(self.limit);
        Page { ids, limit: self.limit, more }
    }
}

impl Page {
    /// The answer's body; `edge` is the URL of the list without query.
    pub(crate) fn body(&self, edge: &str) -> Value {
        let data: Vec<Value> = self.ids.iter().map(|id| entry(id)).collect();
        let (Some(first), Some(last)) = (self.ids.first(), self.ids.last()) else {
            return json!({ "data": data });
        };
        let after = cursor(last);
        let mut paging = json!({"cursors": {"before": cursor(first), "after": after}});
        if self.more {
            paging["next"] = format!("{edge}?limit={}&after={after}", self.limit).into();
        }
        json!({"data": data, "paging": paging})
    }
}

fn cursor(id: &str) -> String {
    URL_SAFE_NO_PAD.encode(id)
}

fn entry(id: &str) -> Value {
    json!({
        "verified_name": "Storefront",
        "code_verification_status": "VERIFIED",
        "display_phone_number": format!("+{id}"),
        "quality_rating": "GREEN",
        "platform_type": "CLOUD_API",
        "id": id,
    })
}
