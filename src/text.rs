//! Bounds for texts that are echoed into objects of the API server.

const ELLIPSIS: char = '…';

/// The text, cut to at most `max` bytes of UTF-8 at a character boundary; a cut ends in an ellipsis.
pub fn truncate(text: &str, max: usize) -> String {
    if text.len() <= max {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(max.saturating_sub(ELLIPSIS.len_utf8()));
    let mut cut = text[..end].to_owned();
    cut.push(ELLIPSIS);
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_between_characters_and_only_where_needed() {
        assert_eq!(truncate("abc", 3), "abc");
        assert_eq!(truncate("abcdef", 5), "ab…");
        assert_eq!(truncate("ééé", 5), "é…");
        assert_eq!(truncate("日本語日本語", 9), "日本…");
    }
}
