//! What is sent, and what the answers mean.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use super::*;
use domain::notification::text::Alimtalk;
use serde_json::json;
use shared::{AccountId, OrderId, id::Bits};

fn settings() -> Settings {
    "https://api.solapi.com?from=0212345678&pf=KA01PF&template=KA01TP&template-en=KA01EN".parse().unwrap()
}

fn message(lang: Lang) -> Message {
    let (to, order) = (AccountId(Bits([7; 10])), OrderId(Bits([1; 10])));
    let phone = Phone::new("010-1234-5678").ok();
    let text = "[가게] 조리를 시작했어요".to_owned();
    Message { key: "n1".into(), to, lang, text, alimtalk: None, order, at_ms: 0, phone, again: false }
}

#[test]
fn settings_are_read_and_mistakes_named() {
    assert_eq!(settings().url.as_str(), "https://api.solapi.com/");
    for (text, wanted) in [
        ("https://api.solapi.com", "from is wanted"),
        ("http://api.solapi.com?from=1&pf=a&template=b", "https"),
        ("https://u:p@api.solapi.com?from=1&pf=a&template=b", "without a user"),
        ("https://h?from=02-1&pf=a&template=b", "digits"),
        ("https://h?from=1&pf=a&template=b&colour=red", "colour"),
        ("https://h?from=1&pf=a&template=b&settle-ms=soon", "settle-ms"),
        ("https://h?from=1&pf=a&template=b&report-ms=soon", "report-ms"),
    ] {
        let why = text.parse::<Settings>().unwrap_err();
        assert!(why.contains(wanted), "{text}: {why}");
    }
}

#[test]
fn requests_are_signed_as_solapi_checks_them() {
    // HMAC-SHA256 of date and salt, as other implementations compute it.
    let text = auth::header("KEY", "secret", 0, "salt").unwrap();
    let wanted = "HMAC-SHA256 apiKey=KEY, date=1970-01-01T00:00:00Z, salt=salt, signature=";
    assert!(text.starts_with(wanted), "{text}");
    // RFC 4231, test case 2.
    let rfc = signature("Jefe", "what do ya want ", "for nothing?");
    assert_eq!(rfc, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

#[test]
fn each_language_has_its_template_and_phones_are_mobile() {
    let way = Solapi::new(settings(), "k".parse().unwrap(), "s".parse().unwrap()).unwrap();
    let ko = way.body(&message(Lang::Ko), "01012345678").unwrap();
    assert_eq!(ko["message"]["kakaoOptions"]["templateId"], "KA01TP");
    assert_eq!(ko["message"]["kakaoOptions"]["disableSms"], false);
    assert_eq!(ko["message"]["customFields"]["nid"], "n1");
    assert_eq!(way.body(&message(Lang::En), "0").unwrap()["message"]["kakaoOptions"]["templateId"], "KA01EN");
    for (text, wanted) in [("010-1234-5678", Some("01012345678")), ("02-123-4567", None), ("0101234567890", None)] {
        assert_eq!(mobile(&Phone::new(text).unwrap()).as_deref(), wanted);
    }
    assert!(!format!("{:?} {:?}", message(Lang::Ko), "s3cret".parse::<Hidden>()).contains("1234"));
}

#[test]
fn what_is_approved_for_its_topic_goes_out_so_and_the_rest_by_the_general_template() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("alimtalk.toml");
    let text = "[#{가게}] 조리를 시작했어요\\n주문번호 #{주문번호}";
    std::fs::write(&path, format!("[[template]]\ntopic=\"cooking\"\nlang=\"ko\"\ntext=\"{text}\"\nid=\"KA09\"\n")).unwrap();
    let settings = Settings { templates: Some(path), ..settings() };
    let way = Solapi::new(settings, "k".parse().unwrap(), "s".parse().unwrap()).unwrap();
    let variables = vec![("#{가게}", "가게".to_owned()), ("#{주문번호}", "B0K4".to_owned())];
    let own = Alimtalk { template: "cooking", text: "[가게] 조리를 시작했어요\n주문번호 B0K4".into(), variables };
    let body = |lang, template| {
        let alimtalk = Some(Alimtalk { template, ..own.clone() });
        way.body(&Message { alimtalk, ..message(lang) }, "01012345678").unwrap()["message"].clone()
    };
    let cooking = body(Lang::Ko, "cooking");
    assert_eq!(cooking["text"], own.text);
    let variables = json!({ "#{가게}": "가게", "#{주문번호}": "B0K4" });
    assert_eq!(cooking["kakaoOptions"], json!({ "templateId": "KA09", "pfId": "KA01PF", "disableSms": false, "variables": variables }));
    for (other, template) in [(body(Lang::En, "cooking"), "KA01EN"), (body(Lang::Ko, "cooked"), "KA01TP")] {
        assert_eq!(other["kakaoOptions"]["templateId"], template);
        assert!(other["text"].as_str().unwrap().starts_with("[가게] 조리를 시작했어요\n주문번호 "));
    }
    let nowhere = Settings { templates: Some("/nowhere".into()), ..self::settings() };
    assert!(Solapi::new(nowhere, "k".parse().unwrap(), "s".parse().unwrap()).is_err_and(|why| why.contains("/nowhere")));
}

#[test]
fn what_had_no_money_behind_it_is_sent_once_there_is_some() {
    let stored = |code: &str| serde_json::from_value::<answer::Stored>(json!({ "statusCode": code })).unwrap();
    for (codes, wanted) in [
        (vec!["1030"], answer::Found::Nothing),
        (vec!["1030", "1030"], answer::Found::Nothing),
        (vec!["1030", "2000"], answer::Found::Accepted),
        (vec!["4000", "1030"], answer::Found::Accepted),
        (vec!["1030", "1042"], answer::Found::Refused),
        (vec!["9999", "1030"], answer::Found::Unknown),
    ] {
        assert_eq!(answer::found(&codes.iter().map(|code| stored(code)).collect::<Vec<_>>()), wanted, "{codes:?}");
    }
}

#[test]
fn only_what_says_so_is_accepted() {
    let sent = |code: &str| serde_json::from_value::<Sent>(json!({ "statusCode": code, "messageId": "M4V" })).unwrap();
    let failed = |code: &str| serde_json::from_value(json!({ "errorCode": code })).unwrap();
    for (code, wanted) in [
        ("2000", Verdict::Accepted),
        ("3104", Verdict::Accepted),
        ("1042", Verdict::Refused),
        ("1030", Verdict::Broken),
        ("9000", Verdict::Unknown),
        ("200", Verdict::Unknown),
        ("OK", Verdict::Unknown),
    ] {
        assert_eq!(answer::judge(200, Some(&sent(code)), None), wanted, "{code}");
    }
    assert_eq!(answer::judge(200, None, None), Verdict::Unknown);
    assert_eq!(answer::judge(500, Some(&sent("2000")), None), Verdict::Unknown);
    assert_eq!(answer::judge(200, Some(&sent("2000")), Some(&failed("x"))), Verdict::Unknown);
    assert_eq!(answer::judge(400, None, Some(&failed("ValidationError"))), Verdict::Refused);
    assert_eq!(answer::judge(400, None, None), Verdict::Unknown);
    assert_eq!(answer::judge(403, None, Some(&failed("RequestTimeTooSkewed"))), Verdict::Broken);
}

#[test]
fn a_page_is_read_as_a_whole_or_not_at_all() {
    let page = |list: Value| serde_json::from_value::<Listed>(json!({ "messageList": list })).unwrap();
    let one = |nid: &str, code: &str| json!({ "statusCode": code, "customFields": { "nid": nid } });
    let find = |list: Value| page(list).named("n1").map(|named| answer::found(&named));
    assert_eq!(find(json!({})), Some(Found::Nothing));
    assert_eq!(find(json!({ "M1": one("n2", "2000"), "M2": { "statusCode": "2000" } })), Some(Found::Nothing));
    for list in [json!({ "M1": one("n1", "3104"), "M2": one("n1", "1042") }), json!([one("n1", "new"), one("n1", "2000")])] {
        assert_eq!(find(list), Some(Found::Accepted));
    }
    assert_eq!(find(json!([one("n1", "1042")])), Some(Found::Refused));
    for list in [json!({ "M1": one("n1", "new") }), json!([one("n1", "new"), one("n1", "1042")])] {
        assert_eq!(find(list), Some(Found::Unknown));
    }
    for broken in [json!("none"), json!({ "M1": 7 }), json!({ "M1": one("n1", "4000"), "M2": { "statusCode": 4000 } })] {
        assert_eq!(find(broken), None);
    }
}

#[test]
fn nothing_has_failed_before_everything_of_its_name_has() {
    for (messages, wanted) in [
        (&[][..], Some(Outcome::Unknown)),
        (&[("ATA", "2000")], None),
        (&[("ATA", "3000")], None),
        (&[("ATA", "4000")], Some(Outcome::Delivered)),
        (&[("ATA", "3104"), ("SMS", "2000")], None),
        (&[("ATA", "3104"), ("SMS", "3000")], None),
        (&[("ATA", "3104"), ("LMS", "4000")], Some(Outcome::Replaced)),
        (&[("ATA", "3104"), ("SMS", "3014")], Some(Outcome::Failed)),
        (&[("ATA", "3107")], Some(Outcome::Failed)),
        (&[("ATA", "1042")], Some(Outcome::Failed)),
        (&[("ATA", "3104"), ("SMS", "new")], None),
        (&[("ATA", "9000")], None),
        (&[("ATA", "")], None),
    ] {
        let all = messages.iter().map(|(kind, code)| json!({ "type": kind, "statusCode": code, "customFields": { "nid": "n1" } }));
        let listed: Listed = serde_json::from_value(json!({ "messageList": all.collect::<Vec<_>>() })).unwrap();
        assert_eq!(answer::outcome(&listed.named("n1").unwrap()), wanted, "{messages:?}");
    }
}
