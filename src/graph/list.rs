//! Lists the numbers of a WhatsApp Business Account, page by page.

use std::collections::HashSet;

use waflows_core::discovery::listing::ListedNumber;
use waflows_core::meta::{ErrorClass, GraphError};

use super::client::{Client, Edge};
use super::credentials::Credentials;
use super::error::CallError;
use super::wire::{self, ListPage};
use crate::metrics::Operation;

/// The documented fields of a number that the operator uses.
const FIELDS: &str = "id,display_phone_number,verified_name,status,host_platform";
/// Numbers on a page. A page of this many is far below the limit of an answer.
const PAGE: &str = "100";
/// The longest list. A resource has at most 500 numbers, so a longer list is of no use.
const MAX_PAGES: usize = 50;

impl Client {
    /// Lists all numbers of the account. Each page is retried twice after a brief failure.
    ///
    /// Follows only the cursor `after`. `paging.next` holds the access token, so the client never calls this URL.
    ///
    /// # Errors
    /// If Meta refuses or does not answer any of the pages, a hold is in force, or the list does not end.
    pub async fn list_numbers(
        &self,
        credentials: &Credentials,
        resource: &str,
        account: &str,
    ) -> Result<Vec<ListedNumber>, CallError> {
        let (mut numbers, mut seen, mut after) = (Vec::new(), HashSet::new(), None);
        for _ in 0..MAX_PAGES {
            let page = self.page(credentials, resource, account, after.as_deref()).await?;
            numbers.extend(page.numbers);
            let Some(next) = page.after else { return Ok(numbers) };
            if !seen.insert(next.clone()) {
                return Err(unending("Meta's list of numbers repeats a page"));
            }
            after = Some(next);
        }
        Err(unending("Meta's list of numbers has more than 50 pages"))
    }

    async fn page(
        &self,
        credentials: &Credentials,
        resource: &str,
        account: &str,
        after: Option<&str>,
    ) -> Result<ListPage, CallError> {
        let mut query = vec![("fields", FIELDS), ("limit", PAGE)];
        query.extend(after.map(|after| ("after", after)));
        let edge = Edge { operation: Operation::List, id: account, name: "phone_numbers", query: &query };
        let mut attempt = 0;
        loop {
            match self.call(&edge, credentials, resource, Some, wire::list_answer).await {
                Err(CallError::Failed(error)) if self.retries(&error, &mut attempt).await => {}
                Ok(page) => return Ok(redacted(page, credentials)),
                Err(error) => return Err(error),
            }
        }
    }
}

/// Removes credentials from the texts of the answer. The cursor stays: nobody sees it.
fn redacted(mut page: ListPage, credentials: &Credentials) -> ListPage {
    let redactor = credentials.redactor();
    for number in &mut page.numbers {
        let texts = [
            &mut number.display_phone_number,
            &mut number.verified_name,
            &mut number.status,
            &mut number.host_platform,
        ];
        for text in texts {
            *text = text.take().map(|text| redactor.redact(&text));
        }
    }
    page
}

fn unending(message: &str) -> CallError {
    CallError::Failed(GraphError::on_the_way(ErrorClass::Unexpected, None, message))
}
