//! Parses Meta's answers, in every documented or observed shape.

use serde_json::{Map, Value};
use waflows_core::discovery::listing::ListedNumber;
use waflows_core::meta::{Reported, ReportedKey};
use waflows_key::{Fingerprint, PublicKey};

/// The answer has none of the known shapes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an answer that is not of the documented form")]
pub struct UnknownShape;

/// Parses the body of a successful GET.
///
/// The guide documents one flat object, the reference page the same object inside `data: […]`. `data: {"0": {…}}` was
/// also observed. Empty data means that the number has no key.
pub fn read_answer(body: &[u8]) -> Result<Reported, UnknownShape> {
    let Ok(Value::Object(answer)) = serde_json::from_slice(body) else {
        return Err(UnknownShape);
    };
    // An error with status 200 says nothing about the key. Treated as "no key", it would start an upload.
    if answer.get("error").is_some_and(|error| !error.is_null()) {
        return Err(UnknownShape);
    }
    let fields = match answer.get("data") {
        None => Some(&answer),
        Some(Value::Array(items)) => first_object(items.first())?,
        Some(Value::Object(data)) if is_key_object(data) => Some(data),
        Some(Value::Object(data)) => first_object(data.values().next())?,
        Some(Value::Null) => None,
        Some(Value::Bool(_) | Value::Number(_) | Value::String(_)) => return Err(UnknownShape),
    };
    fields.map_or_else(|| Ok(Reported::default()), reported)
}

/// Parses the body of a successful POST: whether Meta says that it accepted the key.
pub fn upload_succeeded(body: &[u8]) -> Result<bool, UnknownShape> {
    let Ok(Value::Object(answer)) = serde_json::from_slice(body) else {
        return Err(UnknownShape);
    };
    answer.get("success").and_then(Value::as_bool).ok_or(UnknownShape)
}

/// A page of an account's numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListPage {
    /// The numbers, in Meta's order.
    pub numbers: Vec<ListedNumber>,
    /// The cursor of the next page. None on the last page.
    pub after: Option<String>,
}

/// Parses a page of an account's numbers.
///
/// An empty account has no `paging`. A last page has cursors and no `next`. `next` itself is a URL that holds the access
/// token, so only its presence counts.
pub fn list_answer(body: &[u8]) -> Result<ListPage, UnknownShape> {
    let Ok(Value::Object(answer)) = serde_json::from_slice(body) else {
        return Err(UnknownShape);
    };
    if answer.get("error").is_some_and(|error| !error.is_null()) {
        return Err(UnknownShape);
    }
    let Some(Value::Array(items)) = answer.get("data") else { return Err(UnknownShape) };
    let numbers = items.iter().map(listed_number).collect::<Result<_, _>>()?;
    let paging = answer.get("paging").filter(|paging| !paging.is_null());
    let has_next = paging.and_then(|paging| paging.get("next")).is_some_and(|next| !next.is_null());
    let after = paging.and_then(|paging| paging.get("cursors")?.get("after")?.as_str()).map(str::to_owned);
    match (has_next, after) {
        (false, _) => Ok(ListPage { numbers, after: None }),
        (true, Some(after)) => Ok(ListPage { numbers, after: Some(after) }),
        // A part of the list would be taken for the whole list.
        (true, None) => Err(UnknownShape),
    }
}

fn listed_number(item: &Value) -> Result<ListedNumber, UnknownShape> {
    let Value::Object(fields) = item else { return Err(UnknownShape) };
    let text = |name| Ok::<_, UnknownShape>(text(fields, name)?.map(str::to_owned));
    Ok(ListedNumber {
        id: text("id")?.ok_or(UnknownShape)?,
        display_phone_number: text("display_phone_number")?,
        verified_name: text("verified_name")?,
        status: text("status")?,
        host_platform: text("host_platform")?,
    })
}

fn first_object(first: Option<&Value>) -> Result<Option<&Map<String, Value>>, UnknownShape> {
    match first {
        None => Ok(None),
        Some(Value::Object(fields)) => Ok(Some(fields)),
        Some(_) => Err(UnknownShape),
    }
}

fn is_key_object(fields: &Map<String, Value>) -> bool {
    fields.contains_key(KEY) || fields.contains_key(STATUS)
}

fn reported(fields: &Map<String, Value>) -> Result<Reported, UnknownShape> {
    let pem = text(fields, KEY)?;
    let public_key = pem.and_then(|pem| PublicKey::from_public_key(pem).ok());
    let key = pem.map(|pem| {
        // A key that Meta would not accept today has a fingerprint, too.
        let fingerprint =
            public_key.as_ref().map(|key| *key.fingerprint()).or_else(|| Fingerprint::of_reported_pem(pem));
        fingerprint.map_or(ReportedKey::Unreadable, ReportedKey::Readable)
    });
    Ok(Reported { key, signature_status: text(fields, STATUS)?.map(str::to_owned), public_key })
}

/// A text field. A blank text counts as absent. Another type is an error: treated as "no key", it would start an
/// upload.
fn text<'a>(fields: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, UnknownShape> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.trim()).filter(|text| !text.is_empty())),
        Some(Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => Err(UnknownShape),
    }
}

const KEY: &str = "business_public_key";
const STATUS: &str = "business_public_key_signature_status";

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Result<Reported, UnknownShape> {
        read_answer(body.as_bytes())
    }

    fn mismatch() -> Reported {
        Reported { key: Some(ReportedKey::Unreadable), signature_status: Some("MISMATCH".into()), public_key: None }
    }

    #[test]
    fn the_three_shapes_say_the_same() {
        let object = r#"{"business_public_key":"x","business_public_key_signature_status":"MISMATCH","new":[1]}"#;
        assert_eq!(read(object), Ok(mismatch()));
        assert_eq!(read(&format!(r#"{{"data":[{object}],"paging":{{}}}}"#)), Ok(mismatch()));
        assert_eq!(read(&format!(r#"{{"data":{{"0":{object}}}}}"#)), Ok(mismatch()));
        assert_eq!(read(&format!(r#"{{"data":{object}}}"#)), Ok(mismatch()));
    }

    #[test]
    fn a_blank_or_absent_key_is_not_reported() {
        let valid = Reported { key: None, signature_status: Some("VALID".into()), public_key: None };
        for body in [
            r#"{"business_public_key_signature_status":"VALID"}"#,
            r#"{"business_public_key":" ","business_public_key_signature_status":"VALID"}"#,
            r#"{"business_public_key":null,"business_public_key_signature_status":"VALID"}"#,
        ] {
            assert_eq!(read(body), Ok(valid.clone()), "{body}");
        }
    }

    #[test]
    fn nothing_reported_means_no_key() {
        for body in ["{}", r#"{"data":[]}"#, r#"{"data":{}}"#, r#"{"data":null}"#, r#"{"data":[{}]}"#, r#"{"id":"1"}"#]
        {
            assert_eq!(read(body), Ok(Reported::default()), "{body}");
        }
    }

    #[test]
    fn other_bodies_are_not_mistaken_for_an_answer() {
        for body in [
            "",
            "null",
            "[]",
            "<html>",
            r#"{"data":"x"}"#,
            r#"{"data":[1]}"#,
            r#"{"data":{"0":1}}"#,
            r#"{"error":{}}"#,
            r#"{"data":[],"error":{"code":1}}"#,
            r#"{"business_public_key_signature_status":1}"#,
            r#"{"data":[{"business_public_key":["x"]}]}"#,
        ] {
            assert_eq!(read(body), Err(UnknownShape), "{body}");
        }
    }

    #[test]
    fn a_page_is_the_last_one_where_nothing_says_that_another_follows() {
        let page =
            |paging: &str| list_answer(format!(r#"{{"data":[{{"id":"1","status":"CONNECTED"}}]{paging}}}"#).as_bytes());
        let cursors = r#""cursors":{"before":"a","after":"b"}"#;
        for last in ["", r#","paging":null"#, &format!(r#","paging":{{{cursors}}}"#), r#","paging":{"next":null}"#] {
            let page = page(last).unwrap();
            assert_eq!(
                (page.numbers[0].id.as_str(), page.numbers[0].is_connected(), page.after),
                ("1", true, None),
                "{last}"
            );
        }
        let next = page(&format!(r#","paging":{{{cursors},"next":"https://graph.example/?access_token=x"}}"#)).unwrap();
        assert_eq!(next.after.as_deref(), Some("b"));
        assert_eq!(
            page(r#","paging":{"next":"https://graph.example/"}"#),
            Err(UnknownShape),
            "no cursor to go on with"
        );
        assert_eq!(list_answer(br#"{"data":[]}"#).unwrap(), ListPage { numbers: Vec::new(), after: None });
        for other in
            ["{}", r#"{"data":{}}"#, r#"{"data":[{}]}"#, r#"{"data":[1]}"#, r#"{"data":[],"error":{"code":1}}"#]
        {
            assert_eq!(list_answer(other.as_bytes()), Err(UnknownShape), "{other}");
        }
    }

    #[test]
    fn only_success_true_is_success() {
        assert_eq!(upload_succeeded(br#"{"success":true}"#), Ok(true));
        assert_eq!(upload_succeeded(br#"{"success":false}"#), Ok(false));
        assert_eq!(upload_succeeded(br#"{"success":"yes"}"#), Err(UnknownShape));
        assert_eq!(upload_succeeded(b"{}"), Err(UnknownShape));
    }
}
