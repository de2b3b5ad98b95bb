//! The numbers of WhatsApp Business Accounts: which join a resource, which leave, and what is reported of the accounts.

pub mod account;
pub mod join;
pub mod listing;
