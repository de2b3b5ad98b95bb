//! Colour for what needs a person.

use std::env;
use std::io::{self, IsTerminal};

use crate::cli::Color;

/// Escape sequences: bold red, and the end of it.
const ALARM: &str = "\x1b[1;31m";
const END: &str = "\x1b[0m";

/// Colours text, or leaves it as it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Paint {
    is_on: bool,
}

impl Paint {
    /// Follows the flag; for `auto`, the terminal and NO_COLOR (<https://no-color.org>).
    pub(super) fn of(color: Color) -> Self {
        let refused = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let is_dumb = env::var_os("TERM").is_some_and(|terminal| terminal == "dumb");
        Self {
            is_on: match color {
                Color::Always => true,
                Color::Never => false,
                Color::Auto => io::stdout().is_terminal() && !refused && !is_dumb,
            },
        }
    }

    /// The line in the one colour, if `needs_person`.
    pub(super) fn line(self, line: String, needs_person: bool) -> String {
        if !self.is_on || !needs_person {
            return line;
        }
        let text = line.trim_start();
        let (indent, _) = line.split_at(line.len() - text.len());
        format!("{indent}{ALARM}{text}{END}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_needs_a_person_is_coloured_and_the_indent_is_not() {
        let (on, off) = (Paint::of(Color::Always), Paint::of(Color::Never));
        assert_eq!(on.line("  text".into(), true), "  \x1b[1;31mtext\x1b[0m");
        assert_eq!(on.line("  text".into(), false), "  text");
        assert_eq!(off.line("  text".into(), true), "  text");
    }
}
