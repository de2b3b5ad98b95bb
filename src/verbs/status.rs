//! `status`: which resources and numbers need a person, and what to do.

use std::collections::HashSet;

use futures::StreamExt as _;
use jiff::Timestamp;

use super::changes::{Change, changes};
use super::connection::Connection;
use super::error::VerbError;
use super::operator::{OperatorReport, operators};
use super::render::{Look, Table};
use super::resource::{NumbersText, Resource};
use super::selection::Selection;
use crate::cli::StatusArgs;
use crate::command_output::CommandOutput;

/// Prints the resources and the operators. The exit code is 1 if a person must act.
///
/// # Errors
/// If nothing can be read.
pub async fn status(args: &StatusArgs) -> Result<CommandOutput, VerbError> {
    let connection = Connection::open(&args.select.cluster).await?;
    let selection = Selection::of(&args.select, &connection)?;
    let look = Look::of(&args.look, args.select.all_namespaces, !args.select.names.is_empty());
    let look = look.with_numbers(args.all_numbers);
    if args.watch {
        return watch(&selection, look, args.only_bad).await;
    }
    let mut needs_person = false;
    let resources = selection.read(|mut resource| {
        needs_person |= resource.needs_person();
        if !look.needs_numbers() {
            // The largest part of a resource, which a table does not show.
            resource.numbers = NumbersText::default();
        }
        (!args.only_bad || !resource.is_well()).then_some(resource)
    });
    let (resources, operators) = tokio::join!(resources, operators(&connection.client));
    let resources = resources?;
    let is_all_well = resources.is_empty();
    let mut text = look.render(&resources, &operators.unwrap_or_default(), Timestamp::now())?;
    if is_all_well && look.is_table() {
        text = "Every resource is Ready.\n".to_owned();
    }
    Ok(CommandOutput { text, exit_code: u8::from(needs_person) })
}

/// Prints the resources, and then each one that changes. Ends with an error, or when nobody reads the output.
async fn watch(selection: &Selection, look: Look, only_bad: bool) -> Result<CommandOutput, VerbError> {
    let mut events = changes(selection).boxed();
    let mut first = Vec::new();
    let mut table = None;
    let mut bad = HashSet::new();
    while let Some(change) = events.next().await {
        let now = Timestamp::now();
        match change? {
            Change::Seen(resource) => {
                let was_bad = bad.remove(&resource.key);
                if !resource.is_well() {
                    bad.insert(resource.key.clone());
                }
                // A resource that has recovered is shown once more.
                let is_shown = !only_bad || was_bad || !resource.is_well();
                match &table {
                    _ if !is_shown => {}
                    None => first.push(*resource),
                    Some(table) => print(look, table, &[*resource], now)?,
                }
            }
            Change::Gone(key) => {
                bad.remove(&key);
                if look.is_table() {
                    CommandOutput::new(format!("{key} was deleted\n")).print()?;
                }
            }
            Change::Listed if table.is_none() => {
                first.sort_by(|one: &Resource, other| one.key.cmp(&other.key));
                let begun = Table::of(look, &first, now);
                if look.is_table() {
                    CommandOutput::new(begun.head()).print()?;
                }
                print(look, &begun, &first, now)?;
                first.clear();
                table = Some(begun);
            }
            Change::Listed => {}
        }
    }
    Ok(CommandOutput::new(String::new()))
}

fn print(look: Look, table: &Table, resources: &[Resource], now: Timestamp) -> Result<(), VerbError> {
    const NO_OPERATORS: &[OperatorReport] = &[];
    let text = if look.is_table() { table.rows(resources, now) } else { look.render(resources, NO_OPERATORS, now)? };
    Ok(CommandOutput::new(text).print()?)
}
