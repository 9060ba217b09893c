//! Secrets as files: made once, readable by their owner alone, and never half written.

use super::OpenError;
use aws_lc_rs::{rand, signature::Ed25519KeyPair};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use std::{
    fs::{self, DirBuilder, File, OpenOptions, Permissions},
    io::{self, ErrorKind, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::Path,
};

/// Random bytes of the operator's first password: 144 bits, 24 characters to copy.
const OPERATOR_PASSWORD_BYTES: usize = 18;

/// What `keys/` holds.
pub struct Keys {
    /// The Ed25519 pair that signs access tokens, as PKCS #8.
    pub signing: Vec<u8>,
    /// The key that wraps the people's keys.
    pub master: [u8; 32],
}

/// Reads the keys, and makes them on the first start.
pub fn keys(dir: &Path) -> Result<Keys, OpenError> {
    let folder = dir.join("keys");
    let made = DirBuilder::new().recursive(true).mode(0o700).create(&folder);
    made.and_then(|()| only_owner(&folder, 0o700)).map_err(|why| OpenError::File(folder.clone(), why))?;
    let master = folder.join("vault.key");
    if dir.join("identity.db").exists() && !master.exists() {
        return Err(OpenError::KeyMissing(master));
    }
    let master = secret(&master, || {
        let mut key = [0; 32];
        rand::fill(&mut key).map_err(|_| io::Error::other("no randomness"))?;
        Ok(key.to_vec())
    })?;
    let signing = secret(&folder.join("signing.pk8"), || {
        let pair = Ed25519KeyPair::generate_pkcs8(&rand::SystemRandom::new());
        pair.map(|pair| pair.as_ref().to_vec()).map_err(|_| io::Error::other("no key pair"))
    })?;
    let master = master.try_into().map_err(|_| OpenError::NotAKey("keys/vault.key"))?;
    Ok(Keys { signing, master })
}

/// The operator's first password, kept in a file until somebody takes it away.
pub fn operator_password(dir: &Path) -> Result<String, OpenError> {
    let password = secret(&dir.join("operator-password"), || {
        let mut bytes = [0; OPERATOR_PASSWORD_BYTES];
        rand::fill(&mut bytes).map_err(|_| io::Error::other("no randomness"))?;
        Ok(format!("{}\n", URL_SAFE_NO_PAD.encode(bytes)).into_bytes())
    })?;
    let password = String::from_utf8(password).map_err(|_| OpenError::NotAKey("operator-password"))?;
    Ok(password.trim().to_owned())
}

/// Makes an empty file that only its owner may read, if there is none; SQLite gives its companions the same mode.
pub fn private(path: &Path) -> Result<(), OpenError> {
    let made = OpenOptions::new().append(true).create(true).mode(0o600).open(path);
    made.and_then(|_| only_owner(path, 0o600)).map_err(|why| OpenError::File(path.into(), why))
}

/// Reads a secret, or makes it. It appears under its name only when it is whole and on the disk, and of two processes
/// that start together both read the same one.
fn secret(path: &Path, make: impl FnOnce() -> io::Result<Vec<u8>>) -> Result<Vec<u8>, OpenError> {
    let read = || {
        only_owner(path, 0o600)?;
        fs::read(path)
    };
    let found = match read() {
        Err(why) if why.kind() == ErrorKind::NotFound => make().and_then(|bytes| begin(path, &bytes)).and_then(|()| read()),
        other => other,
    };
    found.map_err(|why| OpenError::File(path.into(), why))
}

/// Writes a file under another name and links it to its own, which fails when there is one already.
fn begin(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut nonce = [0; 8];
    rand::fill(&mut nonce).map_err(|_| io::Error::other("no randomness"))?;
    let draft = path.with_extension(format!("draft-{}", URL_SAFE_NO_PAD.encode(nonce)));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    let linked = file.write_all(bytes).and_then(|()| file.sync_all()).and_then(|()| fs::hard_link(&draft, path));
    fs::remove_file(&draft)?;
    match linked {
        // Somebody was quicker, and theirs is the one.
        Err(why) if why.kind() != ErrorKind::AlreadyExists => Err(why),
        _ => path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all()),
    }
}

fn only_owner(path: &Path, mode: u32) -> io::Result<()> {
    let found = fs::metadata(path)?.permissions().mode() & 0o777;
    if found & !mode != 0 {
        tracing::warn!(path = %path.display(), "others could read this; from now on they cannot");
        fs::set_permissions(path, Permissions::from_mode(mode))?;
    }
    Ok(())
}
