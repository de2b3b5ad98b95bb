//! Shows the progress of `check` on a terminal while it asks Meta.

use std::cell::RefCell;
use std::io::{Write, stderr};

/// Escape sequence that clears the line and moves to its start.
const CLEAR: &str = "\r\x1b[K";

/// A line that is updated, and removed on drop. Without a terminal there is no line.
pub(super) struct Progress<'a> {
    line: Option<RefCell<Line<'a>>>,
}

struct Line<'a> {
    out: Box<dyn Write + 'a>,
    answered: usize,
    total: usize,
}

impl Progress<'_> {
    /// Writes to standard error, if `is_terminal`.
    pub(super) fn on_stderr(is_terminal: bool) -> Self {
        Self::new(stderr(), is_terminal)
    }
}

impl<'a> Progress<'a> {
    fn new(out: impl Write + 'a, is_terminal: bool) -> Self {
        let line = Line { out: Box::new(out), answered: 0, total: 0 };
        Self { line: is_terminal.then(|| RefCell::new(line)) }
    }

    /// Adds numbers that Meta will be asked about.
    pub(super) fn begin(&self, numbers: usize) {
        self.change(|line| line.total = numbers);
    }

    /// Adds numbers that were found on the way.
    pub(super) fn more(&self, numbers: usize) {
        self.change(|line| line.total += numbers);
    }

    /// Counts a number as done.
    pub(super) fn step(&self) {
        self.change(|line| line.answered += 1);
    }

    /// Removes numbers that Meta will not be asked about.
    pub(super) fn leave_out(&self, numbers: usize) {
        self.change(|line| line.total = line.total.saturating_sub(numbers));
    }

    fn change(&self, change: impl FnOnce(&mut Line)) {
        if let Some(line) = &self.line {
            let mut line = line.borrow_mut();
            change(&mut line);
            let text = match (line.answered, line.total) {
                (_, 0) => String::new(),
                (answered, total) => format!("asking Meta: {answered} of {total} numbers"),
            };
            line.write(&text);
        }
    }
}

impl Line<'_> {
    /// Writes the line. Ignores errors, because the line is not important.
    fn write(&mut self, text: &str) {
        let _ = write!(self.out, "{CLEAR}{text}");
        let _ = self.out.flush();
    }
}

impl Drop for Progress<'_> {
    fn drop(&mut self) {
        if let Some(line) = &self.line {
            line.borrow_mut().write("");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(is_terminal: bool, use_it: impl FnOnce(&Progress)) -> String {
        let mut out = Vec::new();
        let progress = Progress::new(&mut out, is_terminal);
        use_it(&progress);
        drop(progress);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_terminal_sees_the_line_grow_and_then_nothing_of_it() {
        let lines = written(true, |progress| {
            progress.begin(3);
            progress.step();
            progress.leave_out(1);
            progress.more(2);
        });
        let lines: Vec<_> = lines.split(CLEAR).collect();
        assert_eq!(
            lines,
            [
                "",
                "asking Meta: 0 of 3 numbers",
                "asking Meta: 1 of 3 numbers",
                "asking Meta: 1 of 2 numbers",
                "asking Meta: 1 of 4 numbers",
                ""
            ]
        );
    }

    #[test]
    fn nobody_else_sees_any_of_it() {
        assert_eq!(written(false, |progress| progress.begin(3)), "");
        // Without numbers to ask about, a terminal shows no line either.
        assert_eq!(written(true, |progress| progress.begin(0)).replace(CLEAR, ""), "");
    }
}
