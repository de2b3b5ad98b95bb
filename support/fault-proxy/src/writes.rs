//! The writes of a run, counted, so that the operator can be killed at each of them.

use std::sync::Mutex;

use tokio::sync::watch;

use crate::fault::Call;

/// In the path of every upload.
pub const UPLOADS: &str = "/whatsapp_business_encryption";

/// Where a write is when the operator dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// It left the operator, and reaches nobody.
    Before,
    /// It was fulfilled, and the operator does not learn of it.
    After,
}

/// One of the writes.
#[derive(Debug, Clone, Copy)]
pub enum Which {
    /// From 1.
    Number(usize),
    /// The first to a path with this in it.
    FirstTo(&'static str),
}

/// Where the world stands still.
#[derive(Debug, Clone, Copy)]
pub struct Point {
    /// The write.
    pub which: Which,
    /// How far the write comes.
    pub side: Side,
}

impl Point {
    fn is_at(&self, number: usize, call: &Call) -> bool {
        match self.which {
            Which::Number(n) => n == number,
            Which::FirstTo(path) => call.path.contains(path),
        }
    }
}

/// Shared by the proxies of one operator.
#[derive(Default)]
pub struct Writes {
    made: Mutex<Vec<String>>,
    stop_at: Mutex<Option<Point>>,
    stopped: watch::Sender<bool>,
}

impl Writes {
    /// From now on the world stands still at this point.
    pub fn stop_at(&self, point: Point) {
        *self.stop_at.lock().unwrap() = Some(point);
    }

    /// The world goes on, for an operator that is started now.
    pub fn go_on(&self) {
        *self.stop_at.lock().unwrap() = None;
        self.stopped.send_replace(false);
    }

    /// All writes so far: method and path.
    pub fn made(&self) -> Vec<String> {
        self.made.lock().unwrap().clone()
    }

    /// How many of them were uploads, successful or not.
    pub fn uploads(&self) -> usize {
        self.made.lock().unwrap().iter().filter(|write| write.contains(UPLOADS)).count()
    }

    /// How many of them were writes of a status.
    pub fn of_statuses(&self) -> usize {
        self.made.lock().unwrap().iter().filter(|write| write.ends_with("/status")).count()
    }

    /// Whether the point is reached.
    pub fn is_stopped(&self) -> bool {
        *self.stopped.borrow()
    }

    /// Waits until the point is reached.
    pub async fn stopped(&self) {
        let _ = self.stopped.subscribe().wait_for(|stopped| *stopped).await;
    }

    /// A call comes in. No call gets past the point. The write at the point gets as far as the returned side says.
    pub(crate) async fn arrive(&self, call: &Call) -> Option<Side> {
        if self.is_stopped() {
            std::future::pending().await
        }
        if !call.is_write() {
            return None;
        }
        let number = {
            let mut made = self.made.lock().unwrap();
            made.push(format!("{} {}", call.method, call.path));
            made.len()
        };
        let point = self.stop_at.lock().unwrap().filter(|point| point.is_at(number, call))?;
        if point.side == Side::Before {
            self.stop().await;
        }
        Some(point.side)
    }

    /// The point is reached: nothing moves any more.
    pub(crate) async fn stop(&self) {
        self.stopped.send_replace(true);
        std::future::pending().await
    }
}
