//! The vault: contacts sealed with AES-256-GCM under a random key per person. The people's keys are rows, wrapped under
//! the master key, which is a file. Deleting a person's row makes every copy of what was sealed unreadable at once,
//! wherever it has travelled.
//!
//! A sealed text is base64url of: a version byte, the person's id, a nonce, the ciphertext with its tag. Version and id
//! are bound to the ciphertext, so that nobody's contact can be passed off as another's.

use super::{IdentityError, OpenError, database};
use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey},
    rand,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use quick_cache::sync::Cache;
use rusqlite::{Connection, OptionalExtension, params};
use shared::{AccountId, Contact, Sealed, id::Bits};
use std::{
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// The form described above.
const VERSION: u8 = 1;
/// The version and the id, which are not secret but must not be changed.
const HEAD: usize = 1 + 10;
/// The longest contact, four bytes to a character, is far below; a longer text is not ours.
const MAX_SEALED: usize = 4096;
/// People whose key is at hand, of about a kilobyte each.
const REMEMBERED: usize = 20_000;
/// Distinguishes the wrapping of a key from the sealing of a contact.
const WRAPPING: u8 = 0;

pub(super) type Key = Arc<RandomizedNonceKey>;

/// Seals and unseals contacts.
pub struct Vault {
    master: RandomizedNonceKey,
    /// A connection of its own, so that reading a key does not wait for a login's write.
    db: Mutex<Connection>,
    keys: Cache<AccountId, Key>,
}

impl Vault {
    /// Opens the vault over the rows of this file.
    pub fn open(path: &Path, master: &[u8; 32]) -> Result<Self, OpenError> {
        let master = key(master).map_err(|why| OpenError::Broken(why.to_string()))?;
        Ok(Self { master, db: Mutex::new(database::connect(path)?), keys: Cache::new(REMEMBERED) })
    }

    /// Seals a contact for its person.
    pub fn seal(&self, person: AccountId, contact: &Contact) -> Result<Sealed, IdentityError> {
        seal(&self.key_made(person)?, person, contact)
    }

    /// Unseals a contact; `None` when its person was forgotten, or the text is not ours.
    pub fn unseal(&self, sealed: &Sealed) -> Option<Contact> {
        let letter = Letter::read(sealed)?;
        let key = self.key(letter.person).unwrap_or_else(|fault| {
            tracing::error!(%fault, "the vault cannot be read");
            None
        })?;
        letter.open(&key)
    }

    /// A person's key as bytes, for another service of ours; made if need be.
    pub fn raw(&self, person: AccountId, make: bool) -> Result<Option<[u8; 32]>, IdentityError> {
        if make {
            self.key_made(person)?;
        }
        let Some(mut wrapped) = wrapped(&self.db(), person)? else { return Ok(None) };
        let bytes = unlock(&self.master, head(WRAPPING, person), &mut wrapped).ok_or(IdentityError::Fault("unwrapping a key"))?;
        Ok(bytes.try_into().ok())
    }

    /// Forgets a person's key. What is sealed for the person later is under another one.
    pub fn forget(&self, person: AccountId) -> Result<(), IdentityError> {
        let db = self.db();
        db.execute("DELETE FROM person_keys WHERE person = ?1", [person.0.0])?;
        self.keys.remove(&person);
        // The log of the database may still hold the old page: it is written back and cut. Should somebody be reading
        // just now, the next forgetting or the next start does it.
        if let Err(fault) = db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())) {
            tracing::warn!(%fault, "the log of identity.db was not cut");
        }
        Ok(())
    }

    /// Makes a person's key, if there is none: at joining, so that sealing need not wait for the disk.
    pub fn key_made(&self, person: AccountId) -> Result<Key, IdentityError> {
        if let Some(known) = self.key(person)? {
            return Ok(known);
        }
        let mut bytes = [0; 32];
        rand::fill(&mut bytes)?;
        let wrapped = lock(&self.master, head(WRAPPING, person), bytes.to_vec())?;
        self.db().execute("INSERT INTO person_keys VALUES (?1, ?2) ON CONFLICT DO NOTHING", params![person.0.0, wrapped])?;
        // Somebody may have been quicker, and theirs is the one.
        self.key(person)?.ok_or(IdentityError::Fault("a key that was just made"))
    }

    fn key(&self, person: AccountId) -> Result<Option<Key>, IdentityError> {
        if let Some(known) = self.keys.get(&person) {
            return Ok(Some(known));
        }
        // Reading and remembering happen under the lock under which forgetting does, or else a key could be remembered
        // that was forgotten in between.
        let db = self.db();
        let Some(mut wrapped) = wrapped(&db, person)? else { return Ok(None) };
        let bytes = unlock(&self.master, head(WRAPPING, person), &mut wrapped).ok_or(IdentityError::Fault("unwrapping a key"))?;
        let found = Arc::new(key(bytes)?);
        self.keys.insert(person, Arc::clone(&found));
        Ok(Some(found))
    }

    fn db(&self) -> MutexGuard<'_, Connection> {
        self.db.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn wrapped(db: &Connection, person: AccountId) -> Result<Option<Vec<u8>>, IdentityError> {
    Ok(db.prepare_cached("SELECT wrapped FROM person_keys WHERE person = ?1")?.query_row([person.0.0], |row| row.get(0)).optional()?)
}

/// Seals a contact under its person's key.
pub(super) fn seal(key: &Key, person: AccountId, contact: &Contact) -> Result<Sealed, IdentityError> {
    let plain = serde_json::to_vec(contact).map_err(|_| IdentityError::Fault("sealing"))?;
    Ok(Sealed(URL_SAFE_NO_PAD.encode(lock(key, head(VERSION, person), plain)?).into()))
}

/// A sealed contact, taken apart.
pub(super) struct Letter {
    /// Whose it is.
    pub person: AccountId,
    bytes: Vec<u8>,
}

impl Letter {
    /// `None` when the text is not ours.
    pub fn read(sealed: &Sealed) -> Option<Self> {
        if sealed.0.len() > MAX_SEALED {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(&*sealed.0).ok()?;
        let (&version, rest) = bytes.split_first()?;
        let person = AccountId(Bits(*rest.first_chunk()?));
        (version == VERSION).then_some(Self { person, bytes })
    }

    /// `None` when it was sealed under another key.
    pub fn open(mut self, key: &Key) -> Option<Contact> {
        serde_json::from_slice(unlock(key, head(VERSION, self.person), &mut self.bytes)?).ok()
    }
}

pub(super) fn key(bytes: &[u8]) -> Result<RandomizedNonceKey, IdentityError> {
    Ok(RandomizedNonceKey::new(&AES_256_GCM, bytes)?)
}

fn head(version: u8, person: AccountId) -> [u8; HEAD] {
    let mut head = [version; HEAD];
    head[1..].copy_from_slice(&person.0.0);
    head
}

/// Head, nonce, ciphertext and tag.
fn lock(key: &RandomizedNonceKey, head: [u8; HEAD], mut plain: Vec<u8>) -> Result<Vec<u8>, IdentityError> {
    let nonce = key.seal_in_place_append_tag(Aad::from(head), &mut plain)?;
    Ok([&head[..], nonce.as_ref(), &plain].concat())
}

fn unlock<'a>(key: &RandomizedNonceKey, head: [u8; HEAD], locked: &'a mut [u8]) -> Option<&'a [u8]> {
    let (found, rest) = locked.split_at_mut_checked(HEAD)?;
    let (nonce, text) = rest.split_at_mut_checked(NONCE_LEN)?;
    if found != head {
        return None;
    }
    let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
    key.open_in_place(nonce, Aad::from(head), text).ok().map(|plain| &*plain)
}
