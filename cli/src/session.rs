//! What a client keeps between calls: its tokens, and how far it has seen each journal, so that what it did last is
//! visible in what it reads next. In memory for programs; in private files for the command line, where the positions
//! are shared by all profiles of a server and a lock lets only one process rotate a refresh token.

use crate::files;
use serde::{Deserialize, Serialize};
use shared::api::Tokens;
use std::{
    collections::BTreeMap,
    fs::File,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

/// More journals than any server has; a longer header is not kept.
const MAX_POSITIONS: usize = 512;

/// How far the journals of a server have been seen.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Seen {
    journal: Option<String>,
    positions: BTreeMap<String, u64>,
}

impl Seen {
    /// Takes the larger of each. False when nothing is new.
    fn merge(&mut self, header: &str) -> bool {
        let mut grown = false;
        for (key, position) in header.split(',').filter_map(|part| part.trim().split_once('=')) {
            let Ok(position) = position.parse::<u64>() else { continue };
            if self.positions.len() >= MAX_POSITIONS && !self.positions.contains_key(key) {
                continue;
            }
            let known = self.positions.entry(key.to_owned()).or_insert(0);
            grown |= position > *known;
            *known = position.max(*known);
        }
        grown
    }

    /// As it is sent.
    fn header(&self) -> Option<String> {
        let parts: Vec<String> = self.positions.iter().map(|(key, position)| format!("{key}={position}")).collect();
        (!parts.is_empty()).then(|| parts.join(","))
    }
}

/// Where the files are.
struct Disk {
    folder: PathBuf,
    server: String,
    tokens: PathBuf,
    seen: PathBuf,
}

#[derive(Default)]
struct State {
    tokens: Option<Tokens>,
    seen: Seen,
}

/// What a client keeps.
#[derive(Default)]
pub struct Session {
    state: Mutex<State>,
    disk: Option<Disk>,
    turn: tokio::sync::Mutex<()>,
}

/// The right to rotate the refresh token.
pub struct Turn<'a> {
    _here: tokio::sync::MutexGuard<'a, ()>,
    _elsewhere: Option<File>,
}

impl Session {
    /// Forgets all at the end of the program.
    pub fn in_memory() -> Self {
        Self::default()
    }

    /// Keeps all in files of this folder.
    pub fn on_disk(folder: &Path, server: &str, profile: &str) -> Self {
        let server = fingerprint(server.trim_end_matches('/'));
        let disk = Disk {
            folder: folder.to_owned(),
            tokens: folder.join(format!("tokens-{server}-{}.json", file_name(profile))),
            seen: folder.join(format!("seen-{server}.json")),
            server,
        };
        Self { disk: Some(disk), ..Self::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The tokens, as the last process left them.
    pub fn tokens(&self) -> Option<Tokens> {
        let mut state = self.state();
        if let Some(disk) = &self.disk {
            state.tokens = files::read(&disk.tokens).ok().flatten().and_then(|text| serde_json::from_str(&text).ok());
        }
        state.tokens.clone()
    }

    /// Keeps new tokens.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn keep(&self, tokens: &Tokens) -> std::io::Result<()> {
        self.state().tokens = Some(tokens.clone());
        match &self.disk {
            Some(disk) => files::write(&disk.tokens, &serde_json::to_string(tokens)?),
            None => Ok(()),
        }
    }

    /// Forgets the tokens.
    pub fn forget(&self) {
        self.state().tokens = None;
        if let Some(disk) = &self.disk {
            drop(std::fs::remove_file(&disk.tokens));
        }
    }

    /// What to send as `Baemin-Consistency`.
    pub fn consistency(&self) -> Option<String> {
        let mut state = self.state();
        if let Some(disk) = &self.disk {
            state.seen = disk.seen();
        }
        state.seen.header()
    }

    /// Takes in what the server said of its journals. True when it is another server than before behind the same
    /// address: then all that was kept about it is gone.
    pub fn note(&self, consistency: Option<&str>, journal: Option<&str>) -> bool {
        let mut state = self.state();
        let known = state.seen.journal.as_deref();
        let is_other = journal.is_some() && known.is_some() && journal != known;
        let is_first = journal.is_some() && known.is_none();
        let is_news = consistency.is_some_and(|header| state.seen.clone().merge(header));
        if !(is_other || is_first || is_news) {
            return false;
        }
        let _lock = self.disk.as_ref().map(|disk| files::lock(&disk.seen));
        if let Some(disk) = &self.disk {
            state.seen = disk.seen();
        }
        let known = state.seen.journal.as_deref();
        let is_other = journal.is_some() && known.is_some() && journal != known;
        if is_other {
            state.seen = Seen::default();
            state.tokens = None;
            if let Some(disk) = &self.disk {
                disk.forget_everybody();
            }
        }
        if let Some(journal) = journal {
            state.seen.journal = Some(journal.to_owned());
        }
        if let Some(header) = consistency {
            state.seen.merge(header);
        }
        if let (Some(disk), Ok(text)) = (&self.disk, serde_json::to_string(&state.seen)) {
            // Without the file a later command may read a little less than it wrote, which is no reason to fail.
            drop(files::write(&disk.seen, &text));
        }
        is_other
    }

    /// Waits for the right to rotate the refresh token, against other tasks and other processes.
    pub async fn turn(&self) -> Turn<'_> {
        let here = self.turn.lock().await;
        let path = self.disk.as_ref().map(|disk| disk.tokens.clone());
        let elsewhere = match path {
            Some(path) => tokio::task::spawn_blocking(move || files::lock(&path).ok()).await.ok().flatten(),
            None => None,
        };
        Turn { _here: here, _elsewhere: elsewhere }
    }
}

impl Disk {
    fn seen(&self) -> Seen {
        files::read(&self.seen).ok().flatten().and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default()
    }

    /// Removes the tokens of every profile of this server.
    fn forget_everybody(&self) {
        let start = format!("tokens-{}-", self.server);
        for entry in std::fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with(&start) {
                drop(std::fs::remove_file(entry.path()));
            }
        }
    }
}

/// A profile's name as part of a file's name: letters and digits as they are, the rest by number.
fn file_name(profile: &str) -> String {
    profile.chars().map(|c| if c.is_alphanumeric() || c == '_' { c.to_string() } else { format!("%{:x}", u32::from(c)) }).collect()
}

/// A short stand-in for an address in the name of a file (FNV-1a: stable between versions, no secret in it).
fn fingerprint(text: &str) -> String {
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
    format!("{hash:016x}")
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may end here")]
mod tests {
    use super::*;
    use shared::{AccountId, Role, id::Bits};

    fn tokens(access: &str) -> Tokens {
        Tokens { account: AccountId(Bits([7; 10])), roles: vec![Role::Customer], access: access.into(), refresh: "r".into(), expires_ms: 1 }
    }

    #[test]
    fn positions_only_grow_and_are_shared_between_profiles() {
        let folder = tempfile::tempdir().unwrap();
        let one = Session::on_disk(folder.path(), "http://a/", "one");
        let two = Session::on_disk(folder.path(), "http://a", "two");
        one.note(Some("order.0=12, store.0=5"), Some("j1"));
        two.note(Some("order.0=11,store.1=2,nonsense,x=y"), Some("j1"));
        assert_eq!(one.consistency().as_deref(), Some("order.0=12,store.0=5,store.1=2"));
        assert_eq!(Session::on_disk(folder.path(), "http://b", "one").consistency(), None);
    }

    #[test]
    fn another_journal_behind_the_address_forgets_everything() {
        let folder = tempfile::tempdir().unwrap();
        let one = Session::on_disk(folder.path(), "http://a", "one");
        let two = Session::on_disk(folder.path(), "http://a", "two");
        one.note(Some("order.0=12"), Some("j1"));
        two.keep(&tokens("t")).unwrap();
        assert!(one.note(Some("order.0=1"), Some("j2")));
        assert_eq!(one.consistency().as_deref(), Some("order.0=1"));
        assert!(two.tokens().is_none());
    }

    #[cfg(unix)]
    #[test]
    fn tokens_are_private_and_apart_per_profile() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let shop = Session::on_disk(folder.path(), "http://a", "가게/1");
        shop.keep(&tokens("t")).unwrap();
        assert_eq!(shop.tokens().unwrap().access, "t");
        assert!(Session::on_disk(folder.path(), "http://a", "other").tokens().is_none());
        assert!(Session::on_disk(folder.path(), "http://b", "가게/1").tokens().is_none());
        for entry in std::fs::read_dir(folder.path()).unwrap() {
            assert_eq!(entry.unwrap().metadata().unwrap().permissions().mode() & 0o777, 0o600);
        }
        shop.forget();
        assert!(shop.tokens().is_none());
    }
}
