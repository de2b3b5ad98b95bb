//! What is generated from the Rust code is what the repository holds. With `WAFLOWS_GENERATE` set, it is written
//! instead of compared: that is `make generate`.

#![expect(clippy::unwrap_used, reason = "a failing test may panic")]

use std::fmt::Write as _;
use std::path::Path;

use waflows_operator::conditions::{Reason, Standing};

#[test]
fn crds_are_what_the_types_say() {
    check("crds/flowsencryptionkeys.waflows.dev.yaml", &waflows_operator::crd::manifest().unwrap());
}

#[test]
fn docs_list_every_reason() {
    let file = "docs/conditions.md";
    let text = read(file);
    let begin = "<!-- reasons: written by `make generate` from src/conditions.rs -->\n";
    let end = "<!-- end of reasons -->";
    let (head, rest) = text.split_once(begin).expect("the mark before the reasons");
    let (_, tail) = rest.split_once(end).expect("the mark after the reasons");
    check(file, &format!("{head}{begin}{}{end}{tail}", reasons()));
}

fn reasons() -> String {
    let mut table = String::from("\n| reason | `Ready` | beside it | meaning and remedy |\n|---|---|---|---|\n");
    for reason in Reason::ALL {
        let (ready, beside) = match reason.standing() {
            // These tell of an input, never of Ready.
            _ if matches!(reason, Reason::KeyLoaded | Reason::TokenAccepted | Reason::NotAsked) => ("", ""),
            Standing::Ready => ("True", ""),
            Standing::Underway => ("Unknown", "Reconciling"),
            Standing::Waiting => ("False", "Reconciling"),
            Standing::Stalled => ("False", "Stalled"),
            Standing::Suspended => ("Unknown", ""),
        };
        writeln!(table, "| `{}` | {ready} | {beside} | {} |", reason.as_str(), reason.doc()).unwrap();
    }
    table.push('\n');
    table
}

fn read(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn check(file: &str, generated: &str) {
    if std::env::var_os("WAFLOWS_GENERATE").is_some() {
        std::fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join(file), generated).unwrap();
    } else {
        assert!(read(file) == generated, "{file} differs from the code it is made from: run `make generate`");
    }
}
