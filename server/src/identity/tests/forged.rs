//! Tokens that are not ours, after RFC 8725: none of them is good.

use super::*;
use crate::identity::tokens::Claims;
use aws_lc_rs::{
    rand::SystemRandom,
    signature::{Ed25519KeyPair, KeyPair},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

const NOW_MS: Millis = 1_800_000_000_000;

fn claims() -> Value {
    let now_s = NOW_MS / 1000;
    json!({ "iss": "baemin", "aud": "baemin-services", "sub": AccountId(Bits([1; 10])).to_string(),
        "sid": Bits([2; 10]).to_string(), "roles": ["operator"], "iat": now_s, "nbf": now_s, "exp": now_s + 900 })
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

fn without(name: &str) -> Value {
    let mut claims = claims();
    claims.as_object_mut().unwrap().remove(name);
    claims
}

fn raw(header: &str, payload: &str, signature: &[u8]) -> String {
    [header.as_bytes(), payload.as_bytes(), signature].map(|part| URL_SAFE_NO_PAD.encode(part)).join(".")
}

/// A token with our own signature, whatever it says.
fn forge(signer: &Signer, header: &Header, claims: &Value) -> String {
    jsonwebtoken::encode(header, claims, &signer.signing).unwrap()
}

/// Checks that a token is refused as not ours.
fn check(f: &Fixture, what: &str, token: &str) {
    assert_eq!(f.identity.verify(token, NOW_MS), Err(TokenError::Invalid), "{what}");
}

#[test]
fn claims_that_are_not_ours_are_refused_even_with_our_signature() {
    let f = fixture();
    let signer = &f.identity.0.signer;
    let ours = signer.header.clone();
    assert!(f.identity.verify(&forge(signer, &ours, &claims()), NOW_MS).is_ok(), "the corpus begins with a good token");
    let now_s = NOW_MS / 1000;
    for (name, value) in [
        ("iss", json!("somebody")),
        ("iss", json!(["baemin", "somebody"])),
        ("aud", json!("another-service")),
        ("aud", json!(["baemin-services", "another-service"])),
        ("exp", json!(now_s + 10 * 365 * 86_400)),
        ("exp", json!(i64::MAX)),
        ("exp", json!("9999999999")),
        ("exp", json!(1.8e9)),
        ("exp", json!(null)),
        ("nbf", json!(now_s + 61)),
        ("nbf", json!("0")),
        ("sub", json!("cus_0000000000000000")),
        ("sub", json!("")),
        ("sid", json!("../../keys")),
        ("roles", json!(["king"])),
        ("roles", json!("operator")),
        ("admin", json!(true)),
    ] {
        check(&f, &format!("{name} = {value}"), &forge(signer, &ours, &with(name, value.clone())));
    }
    for name in ["iss", "aud", "sub", "sid", "roles", "iat", "nbf", "exp"] {
        check(&f, &format!("without {name}"), &forge(signer, &ours, &without(name)));
    }
    let past = forge(signer, &ours, &with("exp", json!(now_s)));
    assert_eq!(f.identity.verify(&past, NOW_MS), Err(TokenError::Expired));
    assert_eq!(f.identity.verify(&past, NOW_MS - 1).map(|v| v.expires_ms), Ok(NOW_MS));
}

#[test]
fn headers_that_are_not_ours_are_refused_even_with_our_signature() {
    let f = fixture();
    let signer = &f.identity.0.signer;
    let ours = signer.header.clone();
    let mut headers = vec![("a bare header", Header::new(Algorithm::EdDSA))];
    for kid in ["", "../../../dev/null", "' OR 1=1 --", "/proc/self/environ", "other"] {
        headers.push(("kid", Header { kid: Some(kid.into()), ..ours.clone() }));
    }
    headers.push(("typ", Header { typ: Some("at+jwt".into()), ..ours.clone() }));
    headers.push(("no typ", Header { typ: None, ..ours.clone() }));
    headers.push(("jku", Header { jku: Some("https://example.com/keys".into()), ..ours.clone() }));
    headers.push(("x5u", Header { x5u: Some("https://example.com/cert".into()), ..ours.clone() }));
    headers.push(("crit", Header { crit: Some(vec!["exp".into()]), ..ours.clone() }));
    headers.push(("cty", Header { cty: Some("JWT".into()), ..ours.clone() }));
    for (what, header) in headers {
        check(&f, what, &forge(signer, &header, &claims()));
    }
}

#[test]
fn other_algorithms_and_other_keys_are_refused() {
    let f = fixture();
    let signer = &f.identity.0.signer;
    let (ours, public) = (&signer.header, signer.verifier.verifying.try_get_as_bytes().unwrap());
    let kid = ours.kid.clone().unwrap();
    let payload = claims().to_string();
    for alg in ["none", "None", "NONE", "nOnE", "", "HS256", "ES256", "RS256", "EdDSA"] {
        for signature in [&b""[..], b"\0", &[0; 64]] {
            let header = format!(r#"{{"typ":"JWT","alg":"{alg}","kid":"{kid}"}}"#);
            check(&f, alg, &raw(&header, &payload, signature));
        }
    }
    for secret in [public.to_vec(), URL_SAFE_NO_PAD.encode(public).into_bytes(), b"secret".to_vec(), vec![]] {
        for algorithm in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
            let header = Header { alg: algorithm, ..ours.clone() };
            let token = jsonwebtoken::encode(&header, &claims(), &EncodingKey::from_secret(&secret)).unwrap();
            check(&f, "HS with the public key", &token);
            // The same signature under our own header.
            let (message, signature) = token.rsplit_once('.').unwrap();
            let payload = message.split_once('.').unwrap().1;
            check(&f, "HS below our header", &format!("{}.{payload}.{signature}", good(&f).split('.').next().unwrap()));
        }
    }
    let foreign = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
    let key = EncodingKey::from_ed_der(foreign.as_ref());
    check(&f, "another key", &jsonwebtoken::encode(ours, &claims(), &key).unwrap());
    let x = URL_SAFE_NO_PAD.encode(Ed25519KeyPair::from_pkcs8(foreign.as_ref()).unwrap().public_key().as_ref());
    let jwk = serde_json::from_value(json!({ "kty": "OKP", "crv": "Ed25519", "x": x })).unwrap();
    let own = Header { jwk: Some(jwk), ..ours.clone() };
    check(&f, "a key of its own", &jsonwebtoken::encode(&own, &claims(), &key).unwrap());
    let elsewhere = fixture();
    check(&f, "another installation", &good(&elsewhere));
}

fn good(f: &Fixture) -> String {
    f.identity.0.signer.sign(AccountId(Bits([1; 10])), &[Role::Customer], SessionId(Bits([2; 10])), NOW_MS).unwrap().0
}

#[test]
fn claims_that_come_twice_are_refused() {
    let f = fixture();
    let twice = claims().to_string().replacen('{', r#"{"sub":"acc_0000000000000000","#, 1);
    assert!(serde_json::from_str::<Claims>(&twice).is_err());
    assert!(f.identity.verify(&good(&f), NOW_MS).is_ok());
}

#[test]
fn of_twenty_thousand_mutations_none_is_good() {
    let f = fixture();
    let token = good(&f);
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/ \0\n";
    let mut seed = 0x9e37_79b9_7f4a_7c15u64;
    let mut random = |below: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed % below as u64) as usize
    };
    let signed = f.identity.signatures();
    for _ in 0..20_000 {
        let mut bytes = token.clone().into_bytes();
        for _ in 0..=random(3) {
            let at = random(bytes.len());
            match random(5) {
                0 => bytes[at] = alphabet[random(alphabet.len())],
                1 => bytes[at] = (bytes[at] ^ 1 << random(7)) & 0x7f,
                2 => bytes.truncate(at.max(1)),
                3 => bytes.insert(at, alphabet[random(alphabet.len())]),
                _ => {
                    bytes.remove(at);
                    bytes.push(b'A');
                }
            }
        }
        let mutated = String::from_utf8(bytes).unwrap();
        if mutated != token {
            check(&f, &mutated, &mutated);
        }
    }
    assert!(f.identity.signatures() - signed > 5_000, "too few mutations came as far as the signature");
    for text in ["", ".", "..", "a.b.c", &format!("{token}."), &format!(" {token}"), &token.repeat(9)] {
        check(&f, text, text);
    }
    assert!(f.identity.verify(&token, NOW_MS).is_ok());
}

#[test]
fn a_good_token_is_checked_once_and_still_ends() {
    let f = fixture();
    let token = good(&f);
    let before = f.identity.signatures();
    let begun = std::time::Instant::now();
    for _ in 0..10_000 {
        assert!(f.identity.verify(&token, NOW_MS).is_ok());
    }
    let each = begun.elapsed() / 10_000;
    assert_eq!(f.identity.signatures() - before, 1);
    assert!(each < std::time::Duration::from_micros(20), "{each:?} for a token that is known");
    assert_eq!(f.identity.verify(&token, NOW_MS + 15 * MINUTE), Err(TokenError::Expired));
    f.identity.0.signer.end(SessionId(Bits([2; 10])), NOW_MS);
    assert_eq!(f.identity.verify(&token, NOW_MS), Err(TokenError::Expired));
}
