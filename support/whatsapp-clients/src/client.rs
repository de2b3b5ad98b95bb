//! One client.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use reqwest::StatusCode;
use waflows_key::PublicKey;

use crate::exchange::Exchange;
use crate::key_source::valid_key;
use crate::memory::Memory;
use crate::report::{Cause, Failure};
use crate::shared::Shared;

/// One client: what it remembers, and how long.
pub(crate) struct Client {
    index: usize,
    memory: Memory,
    keys: HashMap<String, Kept>,
    random: StdRng,
    shared: Arc<Shared>,
}

struct Kept {
    key: Arc<PublicKey>,
    since: Instant,
}

/// How far a request of a customer came.
#[derive(Default)]
struct Attempt {
    target: Option<String>,
    key: Option<String>,
}

impl Client {
    pub(crate) fn new(index: usize, shared: Arc<Shared>) -> Self {
        // The golden ratio spreads neighbouring seeds, so that the clients of two seeds have nothing in common.
        let mixed = shared.config.seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(index as u64);
        let mut random = StdRng::seed_from_u64(mixed);
        let memory = Memory::of(index, &mut random);
        Self { index, memory, keys: HashMap::new(), random, shared }
    }

    /// Uses every number once, then random numbers, until the traffic stops.
    pub(crate) async fn run(mut self) {
        let shared = Arc::clone(&self.shared);
        let mut numbers = shared.config.numbers.clone();
        numbers.shuffle(&mut self.random);
        for number in numbers {
            if !self.turn(&number).await {
                return;
            }
        }
        shared.report.warmed_up();
        while let Some(number) = shared.config.numbers.choose(&mut self.random) {
            if !self.turn(number).await {
                return;
            }
        }
    }

    /// A pause and a request. False once the traffic has stopped.
    async fn turn(&mut self, number: &str) -> bool {
        let pause = self.shared.pause.mul_f64(self.random.gen_range(0.5..1.5));
        let goes_on = self.shared.pause_for(pause).await && self.shared.report.begin(self.shared.config.request_limit);
        if goes_on {
            self.request(number).await;
        }
        goes_on
    }

    async fn request(&mut self, number: &str) {
        let began = Instant::now();
        let mut attempt = Attempt::default();
        if let Err(cause) = self.exchange(number, &mut attempt).await {
            let (client, number, Attempt { target, key }) = (self.index, number.to_owned(), attempt);
            self.shared.report.failed(Failure { began, ended: Instant::now(), client, number, target, key, cause });
        }
    }

    async fn exchange(&mut self, number: &str, attempt: &mut Attempt) -> Result<(), Cause> {
        let key = self.key(number).await.ok_or(Cause::NoKey)?;
        match self.send(&key, attempt).await {
            Err(Cause::WrongKey) => {}
            result => return result,
        }
        let key = self.ask(number).await.ok_or(Cause::NoKey)?;
        self.send(&key, attempt).await?;
        self.shared.report.refreshed();
        Ok(())
    }

    /// The key that the client has, or gets.
    async fn key(&mut self, number: &str) -> Option<Arc<PublicKey>> {
        let kept = self.keys.get(number).map(|kept| (Arc::clone(&kept.key), self.memory.keeps(kept.since.elapsed())));
        match kept {
            Some((key, true)) => Some(key),
            Some((key, false)) => Some(self.ask(number).await.unwrap_or(key)),
            None => self.ask(number).await,
        }
    }

    /// Asks the Graph API for the key, and keeps a VALID one.
    async fn ask(&mut self, number: &str) -> Option<Arc<PublicKey>> {
        let Shared { http, config, .. } = &*self.shared;
        let key = Arc::new(valid_key(http, &config.graph_url, &config.token, number).await?);
        self.keys.insert(number.to_owned(), Kept { key: Arc::clone(&key), since: Instant::now() });
        Some(key)
    }

    /// Sends a new request to a random target.
    async fn send(&mut self, key: &PublicKey, attempt: &mut Attempt) -> Result<(), Cause> {
        let target = self.shared.targets().choose(&mut self.random).cloned().ok_or(Cause::Unreachable)?;
        *attempt = Attempt { target: Some(target.clone()), key: Some(key.fingerprint().to_string()) };
        let exchange = Exchange::new(key, &mut self.random).ok_or(Cause::NoKey)?;
        let mut post = self.shared.http.post(target).header("content-type", "application/json");
        if let Some(secret) = &self.shared.config.app_secret {
            post = post.header("x-hub-signature-256", exchange.signature(secret));
        }
        let response = post.body(exchange.body.clone()).send().await.map_err(|_| Cause::Unreachable)?;
        match response.status() {
            StatusCode::OK => {
                let text = response.text().await.map_err(|_| Cause::Unreachable)?;
                if exchange.is_answered_by(&text) { Ok(()) } else { Err(Cause::Unreadable) }
            }
            StatusCode::MISDIRECTED_REQUEST => {
                self.shared.report.wrong_key();
                Err(Cause::WrongKey)
            }
            status => Err(Cause::Status(status.as_u16())),
        }
    }
}
