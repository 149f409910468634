//! Limits at the door: what one client, one connection or all of them together may take.
//! <https://owasp.org/API-Security/editions/2023/en/0xa4-unrestricted-resource-consumption/>

use serde::Deserialize;

/// Section `[limits]`. A limit of 0 is none, where that makes sense.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Seconds within which the first bytes of a connection, and the head of each request, have to arrive.
    pub header_seconds: u64,
    /// Seconds after which a request is answered 503.
    pub request_seconds: u64,
    /// Seconds a connection may stay silent between requests, or refuse to take what is written to it.
    pub idle_seconds: u64,
    /// Connections open at a time.
    pub connections: usize,
    /// Connections open at a time from one address; not applied behind a proxy.
    pub connections_per_address: usize,
    /// Requests worked on at a time; further ones are answered 503 at once.
    pub in_flight: usize,
    /// Bytes of request bodies, and of the heads before them, held at a time; one address has at most a quarter.
    pub body_bytes: usize,
    /// Resources that `$validate` checks at a time; eight times as many may wait, further ones are answered 503 at once.
    pub validations: usize,
    /// Requests a client may make in a minute on the average; 0: as many as it likes.
    pub requests_per_minute: u32,
    /// Requests a client may make at once, before the average counts.
    pub burst: u32,
    /// Refused attempts without a valid token or assertion from one address in a minute, before the next ones are told to
    /// wait unheard; 0: never. Not applied behind a proxy that does not say who calls.
    pub strangers_per_minute: u32,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            header_seconds: 10,
            request_seconds: 30,
            idle_seconds: 75,
            connections: 2048,
            connections_per_address: 256,
            in_flight: 512,
            body_bytes: 64 * 1024 * 1024,
            validations: 2,
            requests_per_minute: 12_000,
            burst: 1_000,
            strangers_per_minute: 120,
        }
    }
}

impl Limits {
    /// The first thing in it that makes no sense, as a sentence.
    pub(super) fn problem(&self, body_limit: usize) -> Option<&'static str> {
        let waits = [self.header_seconds, self.request_seconds, self.idle_seconds];
        if waits.contains(&0) {
            return Some("limits.header_seconds, request_seconds and idle_seconds are 1 or more");
        }
        if self.idle_seconds <= self.request_seconds {
            return Some(
                "limits.idle_seconds is more than limits.request_seconds: a client that waits for an answer is silent",
            );
        }
        let places = [
            self.connections,
            self.connections_per_address,
            self.in_flight,
            self.validations,
        ];
        if places.contains(&0) {
            return Some(
                "limits.connections, connections_per_address, in_flight and validations are 1 or more",
            );
        }
        if self.body_bytes / 4 < body_limit {
            return Some("limits.body_bytes is four times server.body_limit or more");
        }
        if self.requests_per_minute > 0 && self.burst == 0 {
            return Some("limits.burst is 1 or more where limits.requests_per_minute is");
        }
        None
    }
}
