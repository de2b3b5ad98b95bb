//! Parses the text of a file into YAML documents, or finds the error.

use serde_json::Value;
use serde_saphyr::Error;

/// Longest field name that a message repeats. A longer name could be any content of the file.
const MAX_NAME: usize = 63;

/// A syntax error and its place. Never shows a value, because the value may be secret.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// Line and column, both from 1, if known.
    pub(super) place: Option<(u64, u64)>,
    pub(super) message: String,
}

/// The documents of a text, without empty documents.
///
/// # Errors
/// If the text is not YAML. JSON is also YAML.
pub(super) fn documents(text: &str) -> Result<Vec<Value>, Fault> {
    // Without snippets, because they would show parts of Secrets.
    let options = serde_saphyr::options! { with_snippet: false };
    serde_saphyr::from_multiple_with_options(text, options).map_err(|error| fault(error.without_snippet(), text))
}

fn fault(error: &Error, text: &str) -> Fault {
    let place = error.location().map(|place| (place.line(), place.column()));
    let message = message(error);
    let Some((line, _)) = place else {
        return Fault { place, message };
    };
    // For a tab, the parser reports the same line, or the start of the value that contains the tab.
    let last = if message.contains("tab") { u64::MAX } else { line };
    if let Some(place) = tab(text, line, last) {
        return Fault { place: Some(place), message: "a tab; YAML takes only spaces".to_owned() };
    }
    let is_template = lines(text, line, line).any(|(_, content)| content.contains("{{"));
    let message = if is_template { "a template; render it first, as with helm template".to_owned() } else { message };
    Fault { place, message }
}

/// The lines from `first` to `last`, with their numbers.
fn lines(text: &str, first: u64, last: u64) -> impl Iterator<Item = (u64, &str)> {
    (1..).zip(text.lines()).skip_while(move |(line, _)| *line < first).take_while(move |(line, _)| *line <= last)
}

/// The first tab in the indentation of these lines.
fn tab(text: &str, first: u64, last: u64) -> Option<(u64, u64)> {
    lines(text, first, last).find_map(|(line, content)| {
        let mut blanks = (1..).zip(content.chars()).take_while(|(_, letter)| matches!(letter, ' ' | '\t'));
        blanks.find(|(_, letter)| *letter == '\t').map(|(column, _)| (line, column))
    })
}

fn message(error: &Error) -> String {
    match error {
        Error::DuplicateMappingKey { key, .. } => {
            let is_plain = |name: &&String| {
                name.len() <= MAX_NAME
                    && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte))
            };
            let name = key.as_ref().filter(is_plain).map_or_else(|| "a name".to_owned(), |name| format!("{name:?}"));
            format!("{name} stands a second time in the same mapping; keep one of the two")
        }
        // A hexadecimal secret can look like such a number.
        Error::NonFiniteFloat { .. } => "a number that is too large; put the value in quotes".to_owned(),
        Error::UnknownAnchor { .. } => "an alias of nothing; put a value that begins with * in quotes".to_owned(),
        Error::Eof { .. } => "the text ends too early".to_owned(),
        Error::Budget { .. } => "the file is too large or too deeply nested".to_owned(),
        // The parser's message about the structure. It repeats at most one letter of the text.
        Error::ExternalMessage { msg, .. } if msg.starts_with("unexpected character") => {
            format!("this is no YAML: {}; put the value in quotes", msg.replace('`', "'"))
        }
        Error::ExternalMessage { msg, .. } => format!("this is no YAML: {msg}"),
        _ => "this is no YAML that can be read".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn assert_fault(text: &str, place: (u64, u64), message: &str) {
        let fault = documents(text).unwrap_err();
        assert_eq!((fault.place, fault.message.as_str()), (Some(place), message), "{text:?}");
    }

    const TAB: &str = "a tab; YAML takes only spaces";

    #[test]
    fn a_tab_before_the_content_of_a_line_is_named_where_it_stands() {
        assert_fault("kind: Secret\nstringData:\n\tkey: a\n", (3, 1), TAB);
        assert_fault("kind: Secret\nstringData:\n  key: a\n\tother: b\n", (4, 1), TAB);
        assert_fault("ids:\n  - a\n\t- b\n", (3, 1), TAB);
        assert_fault("spec:\n  ids:\n  \t- a\n", (3, 3), TAB);
        // Elsewhere a tab counts as a blank.
        assert_eq!(documents("a:\tb # \tc\n").unwrap().len(), 1);
    }

    #[test]
    fn a_name_that_stands_twice_is_told_where_it_stands_again() {
        let twice = "\"mode\" stands a second time in the same mapping; keep one of the two";
        assert_fault("spec:\n  mode: Enforce\n  suspend: true\n  mode: Observe\n", (4, 3), twice);
        assert_fault("{\"mode\": 1,\n \"mode\": 2}", (2, 2), twice);
        let unnamed = "a name stands a second time in the same mapping; keep one of the two";
        assert_fault("a b: 1\na b: 2\n", (2, 1), unnamed);
    }

    #[test]
    fn a_template_is_told_as_such() {
        assert_fault("mode: {{ .Values.mode }}\n", (1, 8), "a template; render it first, as with helm template");
    }

    #[test]
    fn no_message_shows_a_value() {
        for text in [
            "token: \"hush hush\n",
            "token: hush: hush\n",
            "token: [hush, hush\n",
            "token: *hush\n",
            "token: !hush hush\n- hush",
            "token: 4e99999\n",
            "token: @hush\n",
            "- hush\ntoken: hush\n",
        ] {
            let fault = documents(text).unwrap_err();
            assert!(!fault.message.contains("hush") && !fault.message.contains("99999"), "{fault:?}");
            assert!(fault.place.is_some(), "{fault:?}");
        }
    }
}
