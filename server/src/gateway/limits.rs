//! How often somebody may ask: token buckets per address, and per account at an address.
//!
//! The account is read from a token that nobody has verified yet, so it is only a bucket's name; together with the
//! address, so that nobody can empty the bucket of somebody else elsewhere.

use axum::http::{HeaderMap, header};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use quick_cache::sync::Cache;
use serde::Deserialize;
use std::{
    hash::{BuildHasher, RandomState},
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

/// A token is far smaller; of a longer one nobody's name is read.
const MAX_TOKEN: usize = 4_096;

/// A bucket's size and its stream.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// Requests at once after a pause.
    pub burst: f64,
    /// Requests a second, on and on.
    pub per_s: f64,
}

/// What may be set of limits.
#[derive(Debug, Clone)]
pub struct Config {
    /// For everything from one address. An office or a carrier's network can be behind it.
    pub peer: Rate,
    /// For one account at one address.
    pub account: Rate,
    /// Buckets that are remembered; those not used for longest are forgotten first, and then full again.
    pub buckets: usize,
    /// Whether programs of this machine are limited too.
    pub limit_loopback: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            peer: Rate { burst: 2_000.0, per_s: 500.0 },
            account: Rate { burst: 200.0, per_s: 50.0 },
            buckets: 100_000,
            limit_loopback: false,
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    tokens: f64,
    at_ms: u64,
}

impl Bucket {
    /// Takes one, or says in how many milliseconds there is one.
    fn take(&mut self, rate: Rate, now_ms: u64) -> Result<(), u64> {
        let passed_s = now_ms.saturating_sub(self.at_ms) as f64 / 1_000.0;
        self.tokens = (self.tokens + passed_s * rate.per_s).min(rate.burst);
        self.at_ms = self.at_ms.max(now_ms);
        if self.tokens >= 1.0 {
            self.tokens -= 1.0;
            return Ok(());
        }
        Err(((1.0 - self.tokens) / rate.per_s.max(0.001) * 1_000.0).ceil() as u64)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    peer: IpAddr,
    /// A keyed hash, so that nobody can choose to share a bucket.
    account: Option<u64>,
}

/// All buckets.
pub struct Limits {
    config: Config,
    buckets: Cache<Key, Arc<Mutex<Bucket>>>,
    names: RandomState,
}

impl Limits {
    /// Full buckets for everybody.
    pub fn new(config: Config) -> Self {
        Self { buckets: Cache::new(config.buckets.max(1)), config, names: RandomState::new() }
    }

    /// Takes a request of somebody into account.
    ///
    /// # Errors
    /// The milliseconds after which the next one may come.
    pub fn take(&self, peer: IpAddr, headers: &HeaderMap, now_ms: u64) -> Result<(), u64> {
        let peer = place(peer);
        if peer.is_loopback() && !self.config.limit_loopback {
            return Ok(());
        }
        self.one(Key { peer, account: None }, self.config.peer, now_ms)?;
        match subject(headers) {
            Some(name) => self.one(Key { peer, account: Some(self.names.hash_one(name)) }, self.config.account, now_ms),
            None => Ok(()),
        }
    }

    /// Buckets remembered now.
    pub fn len(&self) -> usize {
        self.buckets.len()
    }

    /// True before the first request.
    pub fn is_empty(&self) -> bool {
        self.buckets.is_empty()
    }

    fn one(&self, key: Key, rate: Rate, now_ms: u64) -> Result<(), u64> {
        let full = || Ok::<_, std::convert::Infallible>(Arc::new(Mutex::new(Bucket { tokens: rate.burst, at_ms: now_ms })));
        let Ok(bucket) = self.buckets.get_or_insert_with(&key, full);
        bucket.lock().unwrap_or_else(PoisonError::into_inner).take(rate, now_ms)
    }
}

/// One house is one place: an address of IPv6 stands for its network, which its owner has 2^64 addresses of.
fn place(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(v6) if !v6.is_loopback() => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::from([a, b, c, d, 0, 0, 0, 0])
        }
        other => other,
    }
}

/// Whose token it says it is.
fn subject(headers: &HeaderMap) -> Option<String> {
    #[derive(Deserialize)]
    struct Claims {
        sub: String,
    }
    let token = headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")?;
    let claims = token.split('.').nth(1).filter(|_| token.len() <= MAX_TOKEN)?;
    let json = URL_SAFE_NO_PAD.decode(claims).ok()?;
    serde_json::from_slice::<Claims>(&json).ok().map(|claims| claims.sub)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(sub: &str) -> HeaderMap {
        let claims = URL_SAFE_NO_PAD.encode(format!(r#"{{"sub":"{sub}","exp":1}}"#));
        HeaderMap::from_iter([(header::AUTHORIZATION, format!("Bearer x.{claims}.y").parse().expect("a header"))])
    }

    fn limits() -> Limits {
        let small = |burst| Rate { burst, per_s: 1.0 };
        Limits::new(Config { peer: small(5.0), account: small(2.0), buckets: 1_000, limit_loopback: true })
    }

    #[test]
    fn accounts_and_addresses_have_their_own_buckets() {
        let (limits, at) = (limits(), |n: u8| IpAddr::from([10, 0, 0, n]));
        let took = |peer, sub: &str, now| limits.take(peer, &token(sub), now);
        assert_eq!([took(at(1), "kim", 0), took(at(1), "kim", 0)], [Ok(()), Ok(())]);
        assert_eq!(took(at(1), "kim", 0), Err(1_000));
        assert_eq!(took(at(1), "lee", 0), Ok(()), "another account at this address");
        assert_eq!(took(at(2), "kim", 0), Ok(()), "the same name elsewhere");
        assert_eq!(took(at(1), "kim", 1_000), Ok(()), "a second later");
        // Many invented names share the address's bucket.
        let passed = (0..100).filter(|n| took(at(3), &n.to_string(), 0).is_ok()).count();
        assert_eq!(passed, 5);
    }

    #[test]
    fn no_number_of_addresses_fills_the_memory() {
        let limits = limits();
        for n in 0..200_000u32 {
            assert_eq!(limits.take(IpAddr::from(n.to_be_bytes()), &HeaderMap::new(), 0), Ok(()));
        }
        assert!(limits.len() <= 1_100, "{}", limits.len());
        let network = |n: u16| IpAddr::from([0x2001, 0xdb8, 0, 1, 0, 0, 0, n]);
        assert_eq!((0..100).filter(|n| limits.take(network(*n), &HeaderMap::new(), 0).is_ok()).count(), 5, "one network of IPv6");
    }

    #[test]
    fn programs_of_this_machine_are_not_limited_unless_told() {
        let limits = Limits::new(Config::default());
        for peer in ["127.0.0.1", "::1", "::ffff:127.0.0.1"] {
            let peer: IpAddr = peer.parse().expect("an address");
            assert!((0..10_000).all(|_| limits.take(peer, &token("kim"), 0).is_ok()), "{peer}");
        }
    }

    #[test]
    fn what_is_no_token_is_nobody() {
        for value in ["Bearer", "Bearer a.b.c", "Bearer ..", "Basic a.e30.c", &format!("Bearer a.{}.c", "A".repeat(MAX_TOKEN))] {
            let headers = HeaderMap::from_iter([(header::AUTHORIZATION, value.parse().expect("a header"))]);
            assert_eq!(subject(&headers), None, "{value}");
        }
    }
}
