//! What an operator wants of the breaker before the payment provider, on disk: a restart in the middle of an incident must
//! not let payments through that somebody has stopped.

use crate::breaker::Forced;
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, File},
    io::{self, ErrorKind, Write},
    path::{Path, PathBuf},
};

/// Its file in the folder of the process.
const FILE: &str = "breaker.json";

#[derive(Serialize, Deserialize)]
struct Kept {
    open: bool,
    reason: String,
    by: String,
}

/// Where the wish is kept.
pub struct Wish {
    path: PathBuf,
}

impl Wish {
    /// That of a process with this folder.
    pub fn of(data: &Path) -> Self {
        Self { path: data.join(FILE) }
    }

    /// What was wanted when the process ended, and by whom.
    ///
    /// # Errors
    /// The file cannot be read, or says something else: nobody knows then whether payments may pass.
    pub fn read(&self) -> Result<Option<(Forced, String)>, String> {
        let named = |why: String| format!("{}: {why}; mend it, or delete it, and the breaker decides by itself", self.path.display());
        match fs::read(&self.path) {
            Ok(bytes) => {
                let Kept { open, reason, by } = serde_json::from_slice(&bytes).map_err(|e| named(e.to_string()))?;
                Ok(Some((Forced { open, reason }, by)))
            }
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
            Err(e) => Err(named(e.to_string())),
        }
    }

    /// Keeps it, flushed; `None` forgets it.
    ///
    /// # Errors
    /// The file cannot be written, and the old wish is kept, most likely.
    pub fn keep(&self, wish: Option<(&Forced, &str)>) -> io::Result<()> {
        let Some((Forced { open, reason }, by)) = wish else {
            return match fs::remove_file(&self.path) {
                Ok(()) => self.flush(),
                Err(e) if e.kind() == ErrorKind::NotFound => Ok(()),
                Err(e) => Err(e),
            };
        };
        let new = self.path.with_extension("new");
        let mut file = File::create(&new)?;
        file.write_all(&serde_json::to_vec(&Kept { open: *open, reason: reason.clone(), by: by.to_owned() })?)?;
        file.sync_all()?;
        fs::rename(&new, &self.path)?;
        self.flush()
    }

    /// A name is in its folder for good once that is flushed.
    fn flush(&self) -> io::Result<()> {
        self.path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
mod tests {
    use super::*;

    #[test]
    fn a_wish_is_kept_until_it_is_taken_back_and_one_that_cannot_be_read_is_no_leave() {
        let dir = tempfile::tempdir().unwrap();
        let (wish, forced) = (Wish::of(dir.path()), Forced { open: true, reason: "점검".into() });
        assert_eq!(wish.read().unwrap(), None);
        wish.keep(Some((&forced, "acc_1"))).unwrap();
        assert_eq!(Wish::of(dir.path()).read().unwrap(), Some((forced.clone(), "acc_1".into())));
        wish.keep(Some((&Forced { open: false, ..forced }, "acc_2"))).unwrap();
        assert_eq!(wish.read().unwrap().map(|(forced, by)| (forced.open, by)), Some((false, "acc_2".into())));
        wish.keep(None).unwrap();
        wish.keep(None).unwrap();
        assert_eq!(wish.read().unwrap(), None);
        fs::write(dir.path().join(FILE), "{").unwrap();
        assert!(wish.read().unwrap_err().contains(FILE));
    }
}
