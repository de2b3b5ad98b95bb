//! Rotations: the rule over all combinations, and whole rotations with an endpoint and clients, in simulated time.

mod clients;
mod guards;
mod orders;
mod pace;
mod rule;
mod stories;
mod world;
