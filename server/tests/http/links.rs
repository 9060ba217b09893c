//! The links of a resource hold exactly the verbs that its reader may send now: each is compared with what `PUT` answers.

use crate::{
    bodies::{Names, valid},
    cast::{COLA, Cast, Stage},
    harness::Person,
};
use serde_json::{Value, json};
use server::http::{
    routes::{self, Op},
    verbs::Verbs,
};
use shared::{Kind, Sender};

/// Verbs about one dish of the menu, of which the rules' sample cannot know the name: they may be sent, but are not linked.
const ABOUT_A_DISH: [&str; 2] = ["remove_dish", "set_sold_out"];
/// Settings whose sample is the value that a new store has, so that they are not linked until it has another.
const AS_IT_IS: [&str; 2] = ["set_hours", "set_thanks"];

/// Verbs of a kind, once each.
fn verbs_of(kind: Kind) -> Vec<String> {
    let is_of = |op: Op| matches!(&op, Op::Verb(of, _) if *of == kind).then_some(op);
    let verbs = routes::all().into_iter().filter_map(|route| is_of(route.op));
    verbs.map(|op| if let Op::Verb(_, verb) = op { verb } else { unreachable!() }).collect()
}

fn body(kind: Kind, verb: &str) -> Value {
    valid(&Op::Verb(kind, verb.into()), &Names::default()).unwrap()
}

/// The resource without its links, to see whether it has changed.
fn plain(mut row: Value) -> Value {
    row.as_object_mut().unwrap().remove("_links");
    row
}

/// What is tried: a kind, who reads, and how a thing in this state is made.
struct Try<'a> {
    cast: &'a Cast,
    kind: Kind,
    who: &'a Person,
    state: String,
}

impl Try<'_> {
    /// Compares links with answers on things in the same state, made anew for every verb that moves one.
    async fn compare(&self, make: impl AsyncFn() -> String) -> String {
        let (house, name) = (&self.cast.house, self.kind.name());
        let mut id = make().await;
        let first = house.get(&format!("/{}/{id}", self.kind.route()), self.who).await;
        if first.status == 404 {
            return format!("{name:12} {:9} {:16} is not there\n", self.who.name, self.state);
        }
        let links = first.verbs(name);
        let all = verbs_of(self.kind);
        assert!(links.iter().all(|link| all.contains(link)), "{links:?} of {all:?}");
        // Those that are not linked first: they shall change nothing.
        let (open, shut): (Vec<String>, Vec<String>) = all.into_iter().partition(|verb| links.contains(verb));
        let before = plain(first.ok());
        for verb in shut.iter().filter(|verb| !ABOUT_A_DISH.contains(&verb.as_str()) && !AS_IT_IS.contains(&verb.as_str())) {
            let answer = house.put(&format!("/{}/{id}/{verb}", self.kind.route()), self.who, &body(self.kind, verb)).await;
            let about = format!("{verb} of a {name} that is {} is not linked for {}", self.state, self.who.name);
            assert!(answer.status < 500, "{about}: {answer:?}");
            if answer.is_good() {
                assert_eq!(plain(answer.json()), before, "{about}, and changed it");
            } else {
                assert!([403, 404, 409, 422].contains(&answer.status), "{about}: {answer:?}");
            }
        }
        for (i, verb) in open.iter().enumerate() {
            if i > 0 {
                id = make().await;
            }
            let href = house.get(&format!("/{}/{id}", self.kind.route()), self.who).await.ok()["_links"][verb]["href"].clone();
            let path =
                href.as_str().unwrap_or_else(|| panic!("{verb} is not linked this time")).trim_start_matches(&house.url("")).to_owned();
            let answer = house.put(&path, self.who, &body(self.kind, verb)).await;
            let about = format!("{verb} of a {name} that is {} is linked for {}", self.state, self.who.name);
            assert!(answer.is_good(), "{about}: {answer:?}");
        }
        format!("{name:12} {:9} {:16} {}\n", self.who.name, self.state, if open.is_empty() { "-".into() } else { open.join(" ") })
    }
}

/// An order in a state that a customer or a store brought about.
async fn odd(cast: &Cast, state: &str) -> String {
    let order = match state {
        "payment_failed" => return cast.place_with(json!({ "means": "declined_card" })).await,
        "reviewed" => return cast.reviewed().await,
        "offered" => return cast.offered().await,
        "one_dish" => cast.place_with(json!({ "items": [{ "item": COLA, "quantity": 2 }] })).await,
        "change_refused" => cast.order(Stage::Cooking).await,
        _ => cast.order(Stage::Placed).await,
    };
    match state {
        "rejected" => {
            cast.house.put(&format!("/foodCookings/{order}/reject"), &cast.park, &json!({ "reason": "재료 소진" })).await.ok();
            cast.until("order", &order, "rejected").await;
        }
        "cancelled" => {
            cast.house.put(&format!("/orders/{order}/cancel"), &cast.kim, &json!({})).await.ok();
            cast.until("order", &order, "cancelled").await;
        }
        "one_dish" => cast.until("ticket", &order, "opened").await,
        "change_refused" => {
            cast.house.put(&format!("/orders/{order}/change"), &cast.kim, &body(Kind::Order, "change")).await.is_problem(409, "too_late");
        }
        _ => panic!("{state}?"),
    }
    order
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn links_are_what_may_be_sent_now() {
    let cast = Cast::gather().await;
    let mut shown = String::new();
    let readers = [
        (Kind::Order, vec![&cast.kim, &cast.park]),
        (Kind::Ticket, vec![&cast.park]),
        (Kind::Delivery, vec![&cast.han, &cast.yoon]),
        (Kind::Review, vec![&cast.kim, &cast.park, &cast.lee]),
    ];
    for (kind, people) in readers {
        for who in people {
            for stage in Stage::ALL {
                let state = format!("{stage:?}").to_lowercase();
                shown += &Try { cast: &cast, kind, who, state }.compare(async || tidy(&cast, stage).await).await;
            }
            for state in ["payment_failed", "rejected", "cancelled", "change_refused", "reviewed", "offered", "one_dish"] {
                shown += &Try { cast: &cast, kind, who, state: state.into() }.compare(async || odd(&cast, state).await).await;
            }
        }
    }
    insta::assert_snapshot!(shown);
}

/// An order at a stage, with no more in han's hands than it needs: three are the most that a rider carries.
async fn tidy(cast: &Cast, stage: Stage) -> String {
    for rider in [&cast.han, &cast.yoon] {
        let me = cast.house.get(&format!("/riders/rid_{}", rider.bits), rider).await.ok();
        for job in me["jobs"].as_array().unwrap() {
            cast.house.put(&format!("/deliveries/{}/deliver", job.as_str().unwrap()), rider, &json!({})).await.ok();
        }
    }
    cast.order(stage).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn profiles_link_what_their_person_may_do() {
    let cast = Cast::gather().await;
    let mut shown = String::new();
    for (kind, who, id) in [
        (Kind::Store, &cast.park, cast.store.clone()),
        (Kind::Rider, &cast.han, format!("rid_{}", cast.han.bits)),
        (Kind::Customer, &cast.kim, format!("cus_{}", cast.kim.bits)),
    ] {
        let path = format!("/{}/{id}", kind.route());
        let links = cast.house.get(&path, who).await.verbs(kind.name());
        shown += &format!("{:9} {}\n", kind.name(), links.join(" "));
        // Whoever went home can do nothing more, so that comes last.
        for verb in links.iter().filter(|verb| *verb != "end").chain(links.iter().filter(|verb| *verb == "end")) {
            cast.house.put(&format!("{path}/{verb}"), who, &body(kind, verb)).await.ok();
        }
    }
    // A rider at home may only begin, and one who carries something may not go home.
    let path = format!("/riders/rid_{}", cast.han.bits);
    assert_eq!(cast.house.get(&path, &cast.han).await.verbs("rider"), ["start"]);
    cast.house.put(&format!("{path}/start"), &cast.han, &body(Kind::Rider, "start")).await.ok();
    cast.house.put(&format!("/stores/{}/open", cast.store), &cast.park, &json!({})).await.ok();
    let hours = json!({ "hours": null });
    cast.house.put(&format!("/stores/{}/set_hours", cast.store), &cast.park, &hours).await.ok();
    let terms = json!({ "minimum": 0, "delivery_fee": 0 });
    cast.house.put(&format!("/stores/{}/set_terms", cast.store), &cast.park, &terms).await.ok();
    cast.order(Stage::Picked).await;
    assert_eq!(cast.house.get(&path, &cast.han).await.verbs("rider"), ["move", "start"]);
    insta::assert_snapshot!(shown);
}

/// Every verb with a sample for people has a route, and no other one has.
#[test]
fn every_verb_of_people_has_its_route() {
    let verbs = Verbs::new();
    for kind in Kind::ALL {
        let mut of_rules: Vec<&str> = verbs.of(*kind).iter().map(|(verb, _)| verb.as_str()).collect();
        of_rules.dedup();
        assert_eq!(of_rules, verbs_of(*kind));
        assert!(verbs.of(*kind).iter().all(|(_, command)| matches!(command.sender(), Sender::Person(_))), "{kind:?}");
    }
}
