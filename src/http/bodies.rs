//! Bodies are read before a request takes its place among those worked on: who sends half a body and waits holds up nobody. What
//! is held meanwhile is counted, for all together and for each address. <https://www.rfc-editor.org/rfc/rfc9110#section-15.6.4>

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::{Body, Bytes, HttpBody as _};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{request, respond};
use crate::config::Config;

const KIB: usize = 1024;
/// What a request with a body counts before any of it is there: its head is held too.
const HEAD: usize = 16;
/// One address has at most this part of the budget.
const PARTS: usize = 4;

/// KiB held by address.
type Addresses = Arc<Mutex<HashMap<String, usize>>>;

/// How much of bodies is held at a time, in KiB.
#[derive(Clone)]
pub struct Bodies {
    budget: Arc<Semaphore>,
    addresses: Addresses,
    /// Of one address; none where all come from a proxy that does not say who calls.
    per_address: Option<usize>,
    /// Bytes of one body.
    limit: usize,
    stated_by_proxy: Option<String>,
}

impl Bodies {
    pub fn new(config: &Config) -> Bodies {
        let server = &config.server;
        // The largest body fits, whatever is configured.
        let one = HEAD + server.body_limit.div_ceil(KIB);
        let budget = (config.limits.body_bytes / KIB).max(one);
        let told_apart = !server.behind_proxy || server.client_address_header.is_some();
        Bodies {
            budget: Arc::new(Semaphore::new(budget.min(Semaphore::MAX_PERMITS))),
            addresses: Arc::default(),
            per_address: told_apart.then_some((budget / PARTS).max(one)),
            limit: server.body_limit,
            stated_by_proxy: server.client_address_header.clone(),
        }
    }

    /// The whole body, and what it holds until that is dropped; else the answer. A request without a body holds nothing.
    pub async fn whole(&self, parts: &Parts, body: Body) -> Result<(Body, Option<Held>), Response> {
        if body.is_end_stream() {
            return Ok((body, None));
        }
        let address = request::address(parts, self.stated_by_proxy.as_deref());
        let mut held = Held::new(self.clone(), address);
        let whole = self.read(body, &mut held).await.map_err(Unread::answer)?;
        Ok((Body::from(Bytes::from(whole)), Some(held)))
    }

    async fn read(&self, mut body: Body, held: &mut Held) -> Result<Vec<u8>, Unread> {
        held.grow(HEAD)?;
        let mut whole = Vec::new();
        while let Some(frame) = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
            let frame = frame.map_err(|_| Unread::Broken)?;
            // Trailers are read and mean nothing here.
            let Ok(bytes) = frame.into_data() else { continue };
            if bytes.len() > self.limit - whole.len() {
                return Err(Unread::TooLarge);
            }
            self.make_room(&mut whole, bytes.len(), held)?;
            whole.extend_from_slice(&bytes);
        }
        Ok(whole)
    }

    /// Memory is counted before it is taken.
    fn make_room(&self, whole: &mut Vec<u8>, more: usize, held: &mut Held) -> Result<(), Unread> {
        let needed = whole.len() + more;
        let has = whole.capacity();
        if needed <= has {
            return Ok(());
        }
        let capacity = needed.max((2 * has).min(self.limit)).next_multiple_of(KIB);
        held.grow((capacity - has).div_ceil(KIB))?;
        whole.reserve_exact(capacity - whole.len());
        Ok(())
    }
}

/// Why a body is not read to its end.
enum Unread {
    Broken,
    TooLarge,
    NoRoom,
}

impl Unread {
    fn answer(self) -> Response {
        match self {
            Unread::Broken => respond::without_framework_words(StatusCode::BAD_REQUEST),
            Unread::TooLarge => respond::without_framework_words(StatusCode::PAYLOAD_TOO_LARGE),
            Unread::NoRoom => respond::overloaded(),
        }
    }
}

/// What one body holds; given back when it is dropped.
pub struct Held {
    bodies: Bodies,
    address: String,
    permits: Vec<OwnedSemaphorePermit>,
    /// KiB counted for the address.
    counted: usize,
}

impl Held {
    fn new(bodies: Bodies, address: String) -> Held {
        Held {
            bodies,
            address,
            permits: Vec::new(),
            counted: 0,
        }
    }

    fn grow(&mut self, kib: usize) -> Result<(), Unread> {
        self.count(kib).ok_or(Unread::NoRoom)
    }

    fn count(&mut self, kib: usize) -> Option<()> {
        let budget = Arc::clone(&self.bodies.budget);
        let permit = budget.try_acquire_many_owned(u32::try_from(kib).ok()?).ok()?;
        if let Some(most) = self.bodies.per_address {
            let mut addresses = lock(&self.bodies.addresses);
            let of_address = addresses.get(&self.address).copied().unwrap_or(0) + kib;
            if of_address > most {
                return None;
            }
            addresses.insert(self.address.clone(), of_address);
            self.counted += kib;
        }
        self.permits.push(permit);
        Some(())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if self.counted == 0 {
            return;
        }
        let mut addresses = lock(&self.bodies.addresses);
        if let Some(of_address) = addresses.get_mut(&self.address) {
            *of_address -= self.counted;
            if *of_address == 0 {
                addresses.remove(&self.address);
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of 80 KiB, one address has 36: a head and the largest body.
    fn bodies() -> Bodies {
        let mut config = Config::default();
        (config.server.body_limit, config.limits.body_bytes) = (20 * KIB, 80 * KIB);
        Bodies::new(&config)
    }

    #[test]
    fn an_address_has_its_part_all_have_the_budget_and_it_is_given_back() {
        let bodies = bodies();
        let held = |address: &str| Held::new(bodies.clone(), address.to_owned());
        let (mut one, mut two, mut three) = (held("192.0.2.1"), held("192.0.2.2"), held("192.0.2.3"));
        assert!(one.grow(36).is_ok() && one.grow(1).is_err());
        assert!(
            held("192.0.2.1").grow(1).is_err(),
            "another body of the same address"
        );
        assert!(two.grow(36).is_ok());
        assert!(three.grow(9).is_err(), "8 KiB are left");
        drop(one);
        assert!(three.grow(36).is_ok());
        drop((two, three));
        assert!(lock(&bodies.addresses).is_empty());
        assert_eq!(bodies.budget.available_permits(), 80);
    }
}
