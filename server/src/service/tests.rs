//! Names, and a secret that stays one.

use super::*;

#[test]
fn every_service_is_found_by_its_name_and_has_a_port_of_its_own() {
    let all = Service::all();
    for service in &all {
        assert_eq!(service.name().parse(), Ok(*service));
    }
    let ports: std::collections::BTreeSet<u16> = all.iter().map(|service| service.port()).collect();
    assert_eq!(ports.len(), all.len());
    assert!("kitchen".parse::<Service>().is_err_and(|why| why.contains("kitchen") && why.contains("identity")));
}

#[test]
fn a_secret_is_compared_and_never_shown() {
    let secret = Secret::new(" 0123456789abcdef\n").expect("a secret");
    assert!(secret.is(b"0123456789abcdef"));
    assert!(!secret.is(b"0123456789abcdeg") && !secret.is(b"") && !secret.is(b"0123456789abcdef0"));
    assert!(!format!("{secret:?}").contains("0123"));
    assert!(Secret::new("short").is_err() && Secret::new("with a space inside").is_err());
    let other = Secret::new("0123456789abcdeg").expect("another secret");
    assert_ne!(secret.installation(), other.installation());
    assert!(!secret.installation().contains("0123456789"));
}
