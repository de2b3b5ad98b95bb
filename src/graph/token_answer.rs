//! Parses what Meta tells of an access token, in every documented or observed shape.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value};
use waflows_core::api::crd::MAX_NUMBER_TEXT;
use waflows_core::api::text::truncate;
use waflows_core::token::TokenFacts;

use super::wire::UnknownShape;

/// Parses the body of a successful inspection.
///
/// `expires_at` is Unix time, and 0 for a token that never expires. `target_ids` is absent or null where a permission holds
/// for all objects.
pub(super) fn token_answer(body: &[u8]) -> Result<TokenFacts, UnknownShape> {
    let Ok(Value::Object(answer)) = serde_json::from_slice(body) else {
        return Err(UnknownShape);
    };
    let Some(Value::Object(data)) = answer.get("data") else { return Err(UnknownShape) };
    let is_valid = data.get("is_valid").and_then(Value::as_bool).ok_or(UnknownShape)?;
    let reason = data.get("error").and_then(|error| error.get("message")?.as_str());
    Ok(TokenFacts {
        is_valid,
        app_id: text(data, "app_id"),
        expires: time(data, "expires_at"),
        data_access_expires: time(data, "data_access_expires_at"),
        scopes: texts(data.get("scopes")),
        targets: targets(data.get("granular_scopes")),
        reason: reason.map(|reason| truncate(reason, MAX_NUMBER_TEXT)),
    })
}

fn text(data: &Map<String, Value>, name: &str) -> Option<String> {
    match data.get(name)? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// A time in Unix seconds, also in quotes. None for 0, and for anything else that is no time.
fn time(data: &Map<String, Value>, name: &str) -> Option<Timestamp> {
    let seconds = match data.get(name)? {
        Value::Number(number) => number.as_i64()?,
        Value::String(text) => text.parse().ok()?,
        _ => return None,
    };
    Timestamp::from_second(seconds).ok().filter(|_| seconds > 0)
}

fn texts(list: Option<&Value>) -> Vec<String> {
    let items = list.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    items.iter().filter_map(|item| item.as_str().map(str::to_owned)).collect()
}

fn targets(granular: Option<&Value>) -> BTreeMap<String, Vec<String>> {
    let items = granular.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let target = |item: &Value| {
        let ids = item.get("target_ids").filter(|ids| ids.is_array())?;
        Some((item.get("scope")?.as_str()?.to_owned(), texts(Some(ids))))
    };
    items.iter().filter_map(target).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(data: &str) -> TokenFacts {
        token_answer(format!(r#"{{"data":{{"is_valid":true,{data}}}}}"#).as_bytes()).unwrap()
    }

    #[test]
    fn every_shape_of_an_expiry_is_understood() {
        let at = Timestamp::from_second(1_800_000_000).unwrap();
        for (shape, expected) in [
            (r#""expires_at":0"#, None),
            (r#""expires_at":null"#, None),
            (r#""app_id":"1""#, None),
            (r#""expires_at":1800000000"#, Some(at)),
            (r#""expires_at":"1800000000""#, Some(at)),
            (r#""expires_at":-1"#, None),
            (r#""expires_at":1e300"#, None),
            (r#""expires_at":{}"#, None),
        ] {
            assert_eq!(facts(shape).expires, expected, "{shape}");
        }
        let both = facts(r#""expires_at":1800000000,"data_access_expires_at":1700000000"#);
        assert_eq!(both.end(), Timestamp::from_second(1_700_000_000).ok());
    }

    #[test]
    fn a_permission_without_target_ids_holds_for_all() {
        let facts = facts(
            r#""scopes":["a","b",1],"granular_scopes":[{"scope":"a"},{"scope":"b","target_ids":["7"]},{"scope":"c","target_ids":null},1]"#,
        );
        assert_eq!(facts.scopes, ["a", "b"]);
        assert_eq!(facts.targets, [("b".to_owned(), vec!["7".to_owned()])].into());
        assert_eq!(facts.missing(["a", "c"]), ["c"]);
    }

    #[test]
    fn other_bodies_are_not_mistaken_for_an_answer() {
        for body in ["", "{}", r#"{"data":{}}"#, r#"{"data":[]}"#, r#"{"data":{"is_valid":"yes"}}"#] {
            assert_eq!(token_answer(body.as_bytes()), Err(UnknownShape), "{body}");
        }
    }
}
