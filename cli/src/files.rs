//! Small private files that several processes share: written whole or not at all, readable by their owner only, and
//! changed under a lock, so that two terminals never lose each other's change.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::Path,
};

/// Opens a file that only its owner may read.
fn private(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options.open(path)
}

/// Makes the folder of a file.
fn make_folder(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), fs::create_dir_all)
}

/// Replaces the file in one step.
pub fn write(path: &Path, text: &str) -> io::Result<()> {
    make_folder(path)?;
    let fresh = path.with_extension(format!("new{}", std::process::id()));
    // A left-over of a crash may have looser permissions: start anew.
    drop(fs::remove_file(&fresh));
    let mut file = private(&fresh, OpenOptions::new().write(true).create_new(true))?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&fresh, path)
}

/// The text of the file; `None` when there is none.
pub fn read(path: &Path) -> io::Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

/// Waits until no other process holds the lock beside this file. The lock ends with the returned value.
pub fn lock(path: &Path) -> io::Result<File> {
    make_folder(path)?;
    let file = private(&path.with_extension("lock"), OpenOptions::new().create(true).truncate(false).write(true))?;
    file.lock()?;
    Ok(file)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may end here")]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn files_are_private_also_when_replaced() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state/tokens.json");
        for text in ["one", "two"] {
            write(&path, text).unwrap();
            assert_eq!(read(&path).unwrap().as_deref(), Some(text));
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        assert_eq!(read(&folder.path().join("nothing")).unwrap(), None);
    }
}
