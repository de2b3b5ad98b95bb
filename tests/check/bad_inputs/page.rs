//! The page: what is the same in every run, in rows that a diff can show.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use regex::Regex;

const PAGE: &str = "tests/check/bad-inputs.md";

const HEAD: &str = "\
# Bad inputs, and what is said of them

Each row was tried on the program itself. *Caught by* says who tells the person:

- **API server**: `kubectl apply` is refused, in the words of a rule of the definition, or of the API server for types and
  unknown fields; `check` says it beforehand, in the words here;
- **status**: the condition or the number of the resource says it, and `check` beforehand;
- **check**, **inspect**, **ping**: the command says it;
- **start**: the operator does not start;
- **nobody**: it is accepted.

Left out of the words are ports, folders, times and IDs of traces.

<!-- written by `make generate` from tests/check/bad_inputs -->
";

/// Who tells the person.
#[derive(Debug, Clone, Copy)]
pub(super) enum Caught {
    ApiServer,
    Status,
    Check,
    Inspect,
    Ping,
    Start,
    Nowhere,
}

impl Caught {
    fn as_str(self) -> &'static str {
        match self {
            Self::ApiServer => "API server",
            Self::Status => "status",
            Self::Check => "check",
            Self::Inspect => "inspect",
            Self::Ping => "ping",
            Self::Start => "start",
            Self::Nowhere => "nobody",
        }
    }
}

/// Something that is wrong, and the message about it.
#[derive(Debug)]
pub(super) struct Row {
    input: String,
    caught: Caught,
    message: String,
}

impl Row {
    pub(super) fn new(input: &str, caught: Caught, message: &str) -> Self {
        let message = message.strip_prefix("waflows-operator: ").unwrap_or(message);
        Self { input: input.to_owned(), caught, message: steady(message) }
    }

    /// Caught by `check` alone.
    pub(super) fn by_check(self) -> Self {
        Self { caught: Caught::Check, ..self }
    }
}

/// Rows about the same matter.
pub(super) struct Section {
    pub(super) title: &'static str,
    pub(super) rows: Vec<Row>,
}

/// Compares the page with the one in the repository, or writes it there.
pub(super) fn compare(sections: &[Section]) {
    let (page, path) = (page(sections), Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE));
    if std::env::var_os("WAFLOWS_GENERATE").is_some() {
        return std::fs::write(path, page).unwrap();
    }
    let stored = std::fs::read_to_string(&path).unwrap_or_default();
    let differences: Vec<_> = page.lines().filter(|line| !stored.lines().any(|known| known == *line)).collect();
    assert!(page == stored, "{PAGE} is to be written anew (make generate). New in it:\n{}", differences.join("\n"));
}

fn page(sections: &[Section]) -> String {
    let mut page = HEAD.to_owned();
    for Section { title, rows } in sections {
        write!(page, "\n## {title}\n\n| input | caught by | what is said |\n|---|---|---|\n").unwrap();
        let mut inputs = BTreeSet::new();
        for Row { input, caught, message } in rows {
            assert!(inputs.insert(input), "{input} stands twice under {title}");
            writeln!(page, "| {} | {} | {} |", cell(input), caught.as_str(), cell(message)).unwrap();
        }
    }
    page
}

/// Text as a cell shows it: in one line, with nothing that Markdown takes for its own.
fn cell(text: &str) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut cell = String::with_capacity(text.len());
    let mut is_code = false;
    for letter in text.chars() {
        is_code ^= letter == '`';
        if letter == '|' || (!is_code && matches!(letter, '<' | '*' | '_' | '[')) {
            cell.push('\\');
        }
        cell.push(letter);
    }
    cell
}

/// A message without what differs from run to run.
fn steady(message: &str) -> String {
    const VARYING: [(&str, &str); 5] = [
        (r"127\.0\.0\.1:\d+", "127.0.0.1:PORT"),
        (r"A[0-9A-F]{22}\b", "TRACE"),
        (r"\d{4}-\d\d-\d\dT[0-9:.]+Z", "TIME"),
        (r"\b\d\d:\d\d(:\d\d)?( UTC)?\b", "TIME"),
        (r"sha256:[0-9a-f]{8,64}", "FINGERPRINT"),
    ];
    VARYING.iter().fold(message.to_owned(), |text, (pattern, name)| {
        Regex::new(pattern).unwrap().replace_all(&text, *name).into_owned()
    })
}
