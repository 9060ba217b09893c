//! Passwords: Argon2id behind a bounded queue, and a throttle of failed tries.
//!
//! A name that does not exist costs the same work as a wrong password, so that the time tells nothing.

use super::{IdentityError, OpenError};
use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::{PasswordHasher, PasswordVerifier},
};
use shared::Millis;
use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        mpsc::{SyncSender, sync_channel},
    },
    thread,
};
use tokio::sync::oneshot;

/// Memory, passes and lanes: the least that the OWASP Password Storage Cheat Sheet gives for Argon2id.
const MEMORY_KIB: u32 = 19_456;
const PASSES: u32 = 2;
const LANES: u32 = 1;
/// Passwords that wait for their turn: about a second of work. One more hears that it is busy, and comes again.
const QUEUE: usize = 64;

/// Failed tries that one name may have in a window (security.md, row 5).
const TRIES: usize = 10;
/// The window.
const WINDOW_MS: Millis = 60_000;
/// Names that are watched at once: more than can fail in a window, since each failure costs a hash.
const NAMES: usize = 20_000;

/// Hashes and checks passwords, a few at a time, on threads of their own. A hash takes 19 MiB: on threads that come and
/// go, each would keep that much of the heap for itself.
pub struct Passwords {
    argon: Argon2<'static>,
    jobs: SyncSender<Job>,
    /// What the password of nobody is compared with.
    nobody: String,
}

type Job = Box<dyn FnOnce(&Argon2) + Send>;

impl Passwords {
    /// With so many at a time.
    pub fn new(at_once: usize) -> Result<Self, OpenError> {
        let broken = |why: &dyn std::fmt::Display| OpenError::Broken(why.to_string());
        let params = Params::new(MEMORY_KIB, PASSES, LANES, None).map_err(|why| broken(&why))?;
        let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let nobody = hash(&argon, "the password of nobody").map_err(|why| broken(&why))?;
        let (jobs, waiting) = sync_channel::<Job>(QUEUE);
        let waiting = Arc::new(Mutex::new(waiting));
        for _ in 0..at_once.max(1) {
            let (waiting, argon) = (waiting.clone(), argon.clone());
            let work = move || {
                loop {
                    let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
                    let Ok(job) = next else { return };
                    job(&argon);
                }
            };
            thread::Builder::new().name("passwords".into()).spawn(work).map_err(|why| broken(&why))?;
        }
        Ok(Self { argon, jobs, nobody })
    }

    /// Hashes a password, in its PHC form with a salt of its own.
    pub async fn hash(&self, password: String) -> Result<String, IdentityError> {
        self.queued(move |argon| hash(argon, &password)).await?
    }

    /// The same at once, for the start.
    pub fn hash_now(&self, password: &str) -> Result<String, IdentityError> {
        hash(&self.argon, password)
    }

    /// True when the password belongs to the hash; for nobody's hash the same work, and false.
    pub async fn verify(&self, password: String, hash: Option<String>) -> Result<bool, IdentityError> {
        let somebody = hash.is_some();
        let hash = hash.unwrap_or_else(|| self.nobody.clone());
        let good = self.queued(move |argon| argon.verify_password(password.as_bytes(), hash.as_str()).is_ok()).await?;
        Ok(good && somebody)
    }

    /// A job goes on when its caller leaves: leaving must not make room for more.
    async fn queued<T: Send + 'static>(&self, work: impl FnOnce(&Argon2) -> T + Send + 'static) -> Result<T, IdentityError> {
        let (reply, done) = oneshot::channel();
        let job: Job = Box::new(move |argon| drop(reply.send(work(argon))));
        self.jobs.try_send(job).map_err(|_| IdentityError::Busy)?;
        done.await.map_err(|_| IdentityError::Fault("hashing"))
    }
}

fn hash(argon: &Argon2, password: &str) -> Result<String, IdentityError> {
    let hash = argon.hash_password(password.as_bytes()).map_err(|_| IdentityError::Fault("hashing"))?;
    Ok(hash.to_string())
}

#[derive(Default)]
struct Tries {
    failed: VecDeque<Millis>,
    pending: usize,
}

/// Counts failed tries by name. It is in memory: a restart forgets it, and costs more than it gains an attacker.
#[derive(Default)]
pub struct Throttle(Mutex<HashMap<String, Tries>>);

impl Throttle {
    /// Asks for a try. Those that run at the same time count, so that many at once are not more than many in a row.
    pub fn begin(&self, name: &str, now_ms: Millis) -> Result<Try<'_>, IdentityError> {
        let mut names = self.names();
        if names.len() >= NAMES && !names.contains_key(name) {
            names.retain(|_, tries| tries.pending > 0 || tries.failed.back().is_some_and(|at| *at > now_ms - WINDOW_MS));
            if names.len() >= NAMES {
                return Err(IdentityError::Busy);
            }
        }
        let tries = names.entry(name.to_owned()).or_default();
        while tries.failed.front().is_some_and(|at| *at <= now_ms - WINDOW_MS) {
            tries.failed.pop_front();
        }
        if tries.failed.len() + tries.pending >= TRIES {
            // With tries still running, the next second may already have room.
            let oldest = tries.failed.front().filter(|_| tries.failed.len() >= TRIES);
            let wait_ms = oldest.map_or(0, |at| at + WINDOW_MS - now_ms);
            return Err(IdentityError::TooMany { retry_after_s: u64::try_from(wait_ms).unwrap_or(0).div_ceil(1000).max(1) });
        }
        tries.pending += 1;
        Ok(Try { throttle: self, name: name.to_owned(), now_ms, failed: false })
    }

    fn names(&self) -> MutexGuard<'_, HashMap<String, Tries>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A try that runs. Dropped without a verdict it does not count: nobody learned anything from it.
pub struct Try<'a> {
    throttle: &'a Throttle,
    name: String,
    now_ms: Millis,
    failed: bool,
}

impl Try<'_> {
    /// The password was wrong.
    pub fn failed(mut self) {
        self.failed = true;
    }
}

impl Drop for Try<'_> {
    fn drop(&mut self) {
        let mut names = self.throttle.names();
        let Some(tries) = names.get_mut(&self.name) else { return };
        tries.pending -= 1;
        if self.failed {
            tries.failed.push_back(self.now_ms);
        } else if tries.pending == 0 && tries.failed.is_empty() {
            names.remove(&self.name);
        }
    }
}
