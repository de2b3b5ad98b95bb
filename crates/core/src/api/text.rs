//! Texts for people: truncation of texts in API objects, times, and lists of numbers.

use jiff::Timestamp;

const ELLIPSIS: char = '…';
/// Largest number of phone numbers that a sentence names. More would make the sentence unreadable.
const MAX_NAMED: usize = 10;

/// The time in UTC, to the second.
pub fn utc(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// The text with a capital first letter.
pub fn capitalized(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}

/// `phone number ID 1`, or `phone number IDs 1, 2 and 30 more` if there are more than ten.
pub fn phone_numbers(ids: &[impl AsRef<str>]) -> String {
    let named: Vec<_> = ids.iter().take(MAX_NAMED).map(AsRef::as_ref).collect();
    let more = match ids.len() - named.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("phone number {} {}{more}", if ids.len() == 1 { "ID" } else { "IDs" }, named.join(", "))
}

/// Cuts the text at a character boundary to at most `max` bytes as the API server stores it. A cut ends in an ellipsis.
///
/// The API server stores JSON in which Go escapes HTML characters, so a `<` takes six bytes. The limit counts these
/// bytes: otherwise an HTML page instead of an answer could make a status too large to write. Control characters become
/// spaces, because people read a status as YAML, which allows few of them.
pub fn truncate(text: &str, max: usize) -> String {
    let mut cut = String::with_capacity(text.len().min(max));
    let mut stored = 0;
    let mut end = 0;
    for character in text.chars().map(printable) {
        stored += stored_len(character);
        if stored > max {
            cut.truncate(end);
            cut.push(ELLIPSIS);
            return cut;
        }
        cut.push(character);
        if stored + ELLIPSIS.len_utf8() <= max {
            end = cut.len();
        }
    }
    cut
}

/// A time in UTC, to the minute, without the date: for times of today or tomorrow.
pub fn clock(time: Timestamp) -> String {
    time.strftime("%H:%M UTC").to_string()
}

/// A date and time in UTC, to the minute.
pub fn date_and_clock(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

fn printable(character: char) -> char {
    match character {
        control if control.is_control() => ' ',
        '\u{fffe}' | '\u{ffff}' => char::REPLACEMENT_CHARACTER,
        other => other,
    }
}

/// Bytes of a character inside a JSON string as Go writes it.
fn stored_len(character: char) -> usize {
    match character {
        '"' | '\\' => 2,
        '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => 6,
        other => other.len_utf8(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_numbers_are_named() {
        let ids: Vec<_> = (1..=12).map(|id| id.to_string()).collect();
        assert_eq!(phone_numbers(&ids[..1]), "phone number ID 1");
        assert_eq!(phone_numbers(&ids[..2]), "phone number IDs 1, 2");
        assert_eq!(phone_numbers(&ids[..10]), "phone number IDs 1, 2, 3, 4, 5, 6, 7, 8, 9, 10");
        assert_eq!(phone_numbers(&ids), "phone number IDs 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 and 2 more");
    }

    #[test]
    fn times_are_of_utc_and_without_fractions() {
        let time = "2026-11-27T05:27:03.75+01:00".parse().unwrap();
        assert_eq!(utc(time), "2026-11-27T04:27:03Z");
    }

    #[test]
    fn cuts_between_characters_and_only_where_needed() {
        assert_eq!(truncate("abc", 3), "abc");
        assert_eq!(truncate("abcdef", 5), "ab…");
        assert_eq!(truncate("ééé", 5), "é…");
        assert_eq!(truncate("日本語日本語", 9), "日本…");
    }

    #[test]
    fn counts_what_json_escapes() {
        assert_eq!(truncate("<html>", 16), "<html>");
        assert_eq!(truncate("<html>", 15), "<html…");
        assert_eq!(truncate("\"\"\"", 5), "\"…");
    }

    #[test]
    fn times_are_told_to_the_minute() {
        let time = "2026-11-22T04:27:59.9Z".parse().unwrap();
        assert_eq!((clock(time).as_str(), date_and_clock(time).as_str()), ("04:27 UTC", "2026-11-22 04:27 UTC"));
    }

    #[test]
    fn a_sentence_begins_with_a_capital_letter() {
        assert_eq!(["no key", "No key", "éa", ""].map(capitalized), ["No key", "No key", "Éa", ""]);
    }

    #[test]
    fn control_characters_become_spaces() {
        assert_eq!(truncate("a\u{0}\u{7f}\u{9f}\n\u{ffff}b", 12), "a    \u{fffd}b");
    }
}
