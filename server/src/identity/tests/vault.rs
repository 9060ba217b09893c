//! Sealed contacts open for their person's key, and for nothing else.

use super::*;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use shared::{Point, Text, sealed::Phone};

fn contact() -> Contact {
    Contact {
        phone: Phone::new("010-1234-5678").unwrap(),
        address: Text::new("서울시 송파구 위례성대로 2, 18층").unwrap(),
        at: Point::new(37.51631, 127.11245).unwrap(),
    }
}

fn person(n: u8) -> AccountId {
    AccountId(Bits([n; 10]))
}

#[test]
fn what_was_sealed_opens_also_after_a_restart() {
    let f = fixture();
    let sealed = f.identity.seal(person(1), &contact()).unwrap();
    assert_ne!(sealed, f.identity.seal(person(1), &contact()).unwrap(), "the same text twice tells that it is the same");
    for identity in [&f.identity, &f.reopened()] {
        assert!(identity.unseal(&sealed) == Some(contact()));
    }
    let files = ["identity.db", "identity.db-wal"].map(|name| fs::read(f.dir.path().join(name)).unwrap()).concat();
    assert!(!files.windows(13).any(|bytes| bytes == b"010-1234-5678"));
}

#[test]
fn a_forgotten_person_stays_forgotten() {
    let f = fixture();
    let (gone, kept) = (f.identity.seal(person(1), &contact()).unwrap(), f.identity.seal(person(2), &contact()).unwrap());
    let db = rusqlite::Connection::open(f.dir.path().join("identity.db")).unwrap();
    let wrapped: Vec<u8> = db.query_row("SELECT wrapped FROM person_keys WHERE person = ?1", [[1u8; 10]], |row| row.get(0)).unwrap();
    f.identity.forget(person(1)).unwrap();
    f.identity.forget(person(1)).unwrap();
    assert!(f.identity.unseal(&gone).is_none());
    // A later contact of the same person has another key, and does not bring the old one back.
    let later = f.identity.seal(person(1), &contact()).unwrap();
    for identity in [&f.identity, &f.reopened()] {
        assert!(identity.unseal(&gone).is_none());
        assert!(identity.unseal(&later) == Some(contact()));
        assert!(identity.unseal(&kept) == Some(contact()));
    }
    let files = ["identity.db", "identity.db-wal"].map(|name| fs::read(f.dir.path().join(name)).unwrap()).concat();
    assert!(!files.windows(32).any(|bytes| bytes == &wrapped[23..55]), "the wrapped key is still on the disk");
}

#[test]
fn a_sealed_text_that_was_touched_stays_shut() {
    let f = fixture();
    let sealed = f.identity.seal(person(1), &contact()).unwrap();
    f.identity.seal(person(2), &contact()).unwrap();
    let bytes = URL_SAFE_NO_PAD.decode(&*sealed.0).unwrap();
    for at in 0..bytes.len() {
        let mut touched = bytes.clone();
        touched[at] ^= 1;
        assert!(f.identity.unseal(&Sealed(URL_SAFE_NO_PAD.encode(touched).into())).is_none(), "byte {at}");
    }
    for length in 0..bytes.len() {
        assert!(f.identity.unseal(&Sealed(URL_SAFE_NO_PAD.encode(&bytes[..length]).into())).is_none(), "{length} bytes");
    }
    // The same ciphertext under the id of somebody else, who has a key.
    let mut swapped = bytes;
    swapped[1..11].copy_from_slice(&[2; 10]);
    assert!(f.identity.unseal(&Sealed(URL_SAFE_NO_PAD.encode(swapped).into())).is_none());
    for text in ["", "not ours", &"A".repeat(100_000)] {
        assert!(f.identity.unseal(&Sealed(text.into())).is_none());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_cannot_be_had_now_is_told_from_one_that_is_gone() {
    let f = fixture();
    let sealed = f.identity.seal(person(1), &contact()).unwrap();
    let home = access::Access::Home(f.reopened());
    assert!(home.unseal(&sealed).unwrap() == Some(contact()));
    // Nobody is where identity should be.
    let peers = std::sync::Arc::new(crate::service::Peers::none().unwrap());
    let away = access::Access::Away(access::Away::new(peers, f.dir.path()));
    assert!(away.unseal(&sealed).is_err());
    assert!(away.unseal(&Sealed("no contact".into())).unwrap().is_none(), "that takes no key");
}
