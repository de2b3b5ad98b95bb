//! Tables and paragraphs for people.

use jiff::Timestamp;

/// Width that tables and paragraphs keep to, in characters.
pub(crate) const WIDTH: usize = 100;

/// Aligns the columns, two blanks apart. The last column is not padded.
pub(crate) fn aligned<R: AsRef<[String]>>(rows: &[R]) -> Vec<String> {
    let widths = widths(rows);
    rows.iter().map(|row| line(row.as_ref(), &widths)).collect()
}

/// The width of each column.
pub(crate) fn widths<R: AsRef<[String]>>(rows: &[R]) -> Vec<usize> {
    let columns = rows.iter().map(|row| row.as_ref().len()).max().unwrap_or_default();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.as_ref().get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
    };
    (0..columns).map(width).collect()
}

/// One row of a table whose columns have these widths.
pub(crate) fn line(row: &[String], widths: &[usize]) -> String {
    let padded = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
    padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
}

/// Breaks a text into lines of at most [`WIDTH`] characters. Each line begins with `indent` blanks. A longer word stays
/// whole.
pub(crate) fn wrapped(text: &str, indent: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut length = WIDTH;
    for word in text.split_whitespace() {
        let letters = word.chars().count();
        match lines.last_mut() {
            Some(line) if length + 1 + letters <= WIDTH => {
                line.push(' ');
                line.push_str(word);
                length += 1 + letters;
            }
            _ => {
                lines.push(format!("{:indent$}{word}", ""));
                length = indent + letters;
            }
        }
    }
    lines
}

/// How long ago something was, in its largest unit: `4s`, `12m`, `3h`, `20d`.
pub(crate) fn age(since: Timestamp, now: Timestamp) -> String {
    let seconds = now.duration_since(since).as_secs().max(0);
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7200 => format!("{}m", seconds / 60),
        7200..172_800 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_two_blanks_apart_and_nothing_trails() {
        let rows = [["NAME", "READY", "WHY"], ["storefront", "True", ""]].map(|row| row.map(str::to_owned));
        assert_eq!(aligned(&rows), ["NAME        READY  WHY", "storefront  True"]);
    }

    #[test]
    fn paragraphs_keep_to_the_width() {
        let text = "word ".repeat(60);
        let lines = wrapped(&text, 4);
        assert!(lines.len() > 3 && lines.iter().all(|line| line.len() <= WIDTH && line.starts_with("    word")));
        assert_eq!(wrapped(&"x".repeat(200), 2), ["  ".to_owned() + &"x".repeat(200)]);
        assert!(wrapped(" ", 2).is_empty());
    }

    #[test]
    fn an_age_has_one_unit() {
        let now = Timestamp::from_second(10_000_000).unwrap();
        let of = |seconds: i64| age(Timestamp::from_second(10_000_000 - seconds).unwrap(), now);
        assert_eq!(
            [of(-5), of(4), of(119), of(720), of(7200), of(1_728_000)],
            ["0s", "4s", "119s", "12m", "2h", "20d"]
        );
    }
}
