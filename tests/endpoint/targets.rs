//! Where requests go, and where they do not, although a tenant asks for it.

mod proxies;
mod services;
mod urls;
