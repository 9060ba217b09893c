//! What each notice says, in the inbox and as 알림톡, in both languages.

#[path = "../../../shared/tests/samples/mod.rs"]
mod samples;

use domain::notification::{news, templates::TEMPLATES, text};
use samples::*;
use shared::{
    Lang, Won,
    notice::{Notice, Topic},
};
use std::{collections::BTreeSet, fmt::Write};

const LANGS: [Lang; 2] = [Lang::Ko, Lang::En];

/// A notice as the policies make it: what is not about an order at a store names none.
fn told(topic: Topic) -> Notice {
    let is_of_store = !matches!(topic, Topic::Refunded { .. } | Topic::Promoted { .. });
    let whole = notice();
    Notice { store_name: whole.store_name.clone().filter(|_| is_of_store), topic, ..whole }
}

#[test]
fn every_topic_has_its_text_in_both_languages() {
    let mut shown = String::new();
    for topic in topics() {
        for lang in LANGS {
            let notice = told(topic.clone());
            let (inbox, alimtalk) = (text::say(&notice, lang), text::alimtalk(&notice, lang));
            let alimtalk = alimtalk.unwrap_or_else(|| panic!("{topic:?} lacks what its template needs"));
            // Somebody reads the same, whichever way it comes.
            assert!(alimtalk.text.starts_with(&format!("{inbox}\n")), "{}\n{inbox}", alimtalk.text);
            assert!(alimtalk.text.chars().count() < 1_000, "알림톡 takes a thousand characters");
            writeln!(shown, "{}: {inbox}", alimtalk.template).expect("a text takes all");
        }
    }
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!("texts", shown.trim_end());
    });
}

#[test]
fn every_template_is_used_and_filled_as_a_whole() {
    let mut used = BTreeSet::new();
    for topic in topics() {
        let alimtalk = text::alimtalk(&told(topic), Lang::Ko).expect("it has all");
        let template = TEMPLATES.iter().find(|template| template.name == alimtalk.template).expect("it is listed");
        for lang in LANGS {
            let (approved, mut places) = (template.alimtalk(lang), BTreeSet::new());
            for part in approved.split("#{").skip(1) {
                places.insert(format!("#{{{}}}", part.split_once('}').expect("a place ends").0));
            }
            let given: BTreeSet<String> = alimtalk.variables.iter().map(|(place, _)| (*place).to_owned()).collect();
            assert_eq!(places, given, "{} in {lang:?}", template.name);
        }
        used.insert(template.name);
    }
    assert_eq!(used, TEMPLATES.iter().map(|template| template.name).collect(), "a template that nothing uses, or two of one name");
    assert_eq!(used.len(), TEMPLATES.len());
}

#[test]
fn that_an_order_waits_for_its_payment_is_no_news_once_it_does_not() {
    let waits = Topic::PendingPayment { total: Won(20_000) };
    assert!(waits.is_mandatory(), "until then it must be told");
    for name in ["placed", "payment_failed", "cancelled"] {
        assert!(is_overtaken(&waits, "pending_payment", name), "{name}");
    }
    assert!(!is_overtaken(&waits, "pending_payment", "accepted"));
}

/// Whether one name is overtaken by another, of the same order and to the same reader.
fn is_overtaken(topic: &Topic, name: &str, later: &str) -> bool {
    news::overtaken_by(topic, &format!("ABC.customer.{name}.inbox")).contains(&format!("ABC.customer.{later}.inbox"))
}

#[test]
fn that_a_change_is_asked_for_is_no_news_once_it_is_answered() {
    let asked = Topic::ChangeRequested { total: Won(20_000) };
    for (later, is_over) in [("changed-6", true), ("change_refused-6", true), ("changed-7", false), ("cancelled", true), ("picked", false)]
    {
        assert_eq!(is_overtaken(&asked, "change_requested-6", later), is_over, "{later}");
    }
    assert!(is_overtaken(&Topic::CancelRequested {}, "cancel_requested", "cancel_refused"));
    // A store may reject what it has accepted, late as it is.
    for (topic, name) in [(Topic::CancelRequested {}, "cancel_requested"), (Topic::Overdue {}, "overdue-6")] {
        assert!(is_overtaken(&topic, name, "rejected"), "{name}");
    }
}

#[test]
fn what_is_waited_for_is_kept_back_and_nothing_else() {
    let kept: Vec<_> = topics().into_iter().filter(|topic| news::kept_back(topic).is_some()).collect();
    assert_eq!(kept.len(), 3, "{kept:?}");
    for topic in kept {
        assert!(matches!(topic, Topic::PendingPayment { .. } | Topic::CancelRequested {} | Topic::ChangeRequested { .. }), "{topic:?}");
    }
}

#[test]
fn a_value_is_never_taken_for_a_variable() {
    let notice = Notice { store_name: Some(text("#{금액}#{")), ..notice() };
    assert_eq!(text::say(&notice, Lang::Ko), "[#{금액}#{] 주문이 접수됐어요: 20,000원");
    assert!(text::alimtalk(&notice, Lang::En).expect("it has all").text.starts_with("[#{금액}#{] Your order"));
}

#[test]
fn a_notice_of_an_older_version_is_read_all_the_same() {
    let stored = r#"{"order":"04081020408102040810","store_name":null,"to":"0m2mb1d5m2mb1d5m","channel":"inbox",
        "topic":{"topic":"placed","total":20000},"at_ms":0}"#;
    let whole = serde_json::to_value(notice()).expect("a notice is JSON");
    let mut stored: serde_json::Value = serde_json::from_str(stored).expect("that is JSON");
    for id in ["order", "to"] {
        stored[id] = whole[id].clone();
    }
    let notice: Notice = serde_json::from_value(stored).expect("a notice");
    assert_eq!(text::say(&notice, Lang::Ko), "주문이 접수됐어요: 20,000원");
    assert_eq!(text::alimtalk(&notice, Lang::Ko), None, "its template names a store");
    let refunded = Notice { topic: Topic::Refunded { amount: shared::Won(1) }, ..self::notice() };
    assert_eq!(text::say(&refunded, Lang::Ko), "[교촌] 환불이 끝났어요: 1원");
}
