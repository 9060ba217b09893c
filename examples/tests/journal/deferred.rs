//! Whatever a journal puts off: rows and lists are at any time as the commits have left them, also after a crash.

use crate::stage::*;
use domain::{Tag, tag};
use server::journal::{self, Commit, Journal, Reader, Slice};
use shared::Kind;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

const KEYS: u64 = 9;
const LISTS: [&str; 3] = ["few", "some", "most"];
const STEPS: u64 = 400;

/// What should be there: each row's version, and the lists that it is on.
#[derive(Default)]
struct Model {
    rows: BTreeMap<String, (u64, Vec<Tag>)>,
}

/// Numbers that look random, and are the same each time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

impl Model {
    fn change(&mut self, dice: &mut Dice) -> Commit {
        let names: BTreeSet<u64> = (0..=dice.roll(3)).map(|_| dice.roll(KEYS)).collect();
        let change = |number: u64| {
            let key = format!("key{number}");
            let (version, old) = self.rows.remove(&key).unwrap_or_default();
            let wanted = LISTS.iter().enumerate().filter(|(i, _)| dice.roll(4) <= *i as u64);
            let new: Vec<Tag> = wanted.map(|(_, name)| tag(*name, (number % 4) as i64)).collect();
            let mut put = put(&key, version + 1);
            put.tags_gone = old.iter().filter(|tag| !new.contains(tag)).cloned().collect();
            put.tags_new = new.iter().filter(|tag| !old.contains(tag)).cloned().collect();
            self.rows.insert(key, (version + 1, new));
            put
        };
        puts(names.into_iter().map(change).collect())
    }

    fn check(&self, journal: &dyn Journal, reader: &dyn Reader, dice: &mut Dice) {
        for number in 0..KEYS {
            let key = format!("key{number}");
            let expected = self.rows.get(&key).map(|(version, _)| *version);
            assert_eq!(journal.load(Kind::Customer, &key).unwrap().map(|stored| stored.version), expected);
            assert_eq!(reader.load(Kind::Customer, &key).unwrap().map(|stored| stored.version), expected);
        }
        for name in LISTS {
            let on = |(key, (_, tags)): (&String, &(u64, Vec<Tag>))| {
                tags.iter().find(|tag| tag.name == name).map(|tag| (tag.sort, Arc::<str>::from(key.as_str())))
            };
            let mut all: Vec<_> = self.rows.iter().filter_map(on).collect();
            all.sort();
            // From the place of one of them on, or from the beginning.
            let after = all.get(dice.roll(KEYS) as usize).cloned();
            let (rest, limit) = (all.iter().filter(|place| after.as_ref().is_none_or(|after| *place > after)), dice.roll(KEYS));
            let rest: Vec<_> = rest.take(limit as usize).cloned().collect();
            assert_eq!(reader.walk(Kind::Customer, name, after.as_ref(), limit).unwrap(), rest, "{name} {after:?} {limit}");
            let slice = Slice { offset: dice.roll(KEYS), limit: dice.roll(KEYS), newest_first: dice.roll(2) == 0 };
            if slice.newest_first {
                all.reverse();
            }
            let total = all.len() as u64;
            let page: Vec<_> = all.into_iter().map(|(_, key)| key).skip(slice.offset as usize).take(slice.limit as usize).collect();
            assert_eq!(reader.list(Kind::Customer, name, slice).unwrap(), (page, total), "{name} {slice:?}");
        }
    }
}

/// Commits at random, with crashes, orderly ends, and pauses that are long enough for whatever is put off.
pub fn rows_and_lists_are_as_the_commits_left_them(stage: &Stage) {
    let (mut dice, mut model) = (Dice(20_261_121), Model::default());
    let (mut journal, mut reader) = stage.open(1);
    let mut put_off = 0;
    for step in 0..STEPS {
        journal.commit(&model.change(&mut dice)).unwrap();
        model.check(&*journal, &*reader, &mut dice);
        put_off += u32::from(journal.put_off_until().is_some());
        match step % 100 {
            // A crash: nobody says good-bye.
            33 | 34 | 66 => {
                drop((journal, reader));
                (journal, reader) = stage.open(1);
            }
            90 => {
                journal.close().unwrap();
                model.check(&*journal, &*reader, &mut dice);
                drop((journal, reader));
                (journal, reader) = stage.open(1);
            }
            50 => {
                while let Some(until) = journal.put_off_until() {
                    std::thread::sleep(until.saturating_duration_since(std::time::Instant::now()));
                    journal.commit(&Commit::default()).unwrap();
                }
                if stage.is_sqlite() {
                    assert_eq!(stage.sql("select count(*) from rows"), [[model.rows.len().to_string()]]);
                    assert!(stage.sql("select id from redo").is_empty());
                }
            }
            _ => continue,
        }
        model.check(&*journal, &*reader, &mut dice);
    }
    assert_eq!(put_off > STEPS as u32 / 2, stage.is_sqlite(), "{put_off} of {STEPS} commits put something off");
}

/// A commit of many rows does not put off any more of them.
#[test]
fn so_many_rows_are_put_off_and_no_more() {
    let stage = Stage::sqlite();
    let (mut journal, reader) = stage.open(1);
    journal.commit(&puts(vec![put("first", 1)])).unwrap();
    for round in 0..8 {
        journal.commit(&puts((0..256).map(|number| put(&format!("{round}.{number}"), 1)).collect())).unwrap();
        let late = stage.sql("select 1 from redo").len();
        assert!(late <= 4, "{late} records");
    }
    let written: usize = stage.sql("select count(*) from rows")[0][0].parse().unwrap();
    assert!(written > 1_000, "{written}");
    assert!((0..8).all(|round| reader.load(Kind::Customer, &format!("{round}.255")).unwrap().is_some()));
}

/// A file that a newer version left in a crash, with an event that is not understood here.
#[test]
fn a_row_that_cannot_be_folded_stops_the_start_and_says_why() {
    let stage = Stage::sqlite();
    drop(stage.open(1));
    let event = event(0, 1);
    let body = serde_json::to_string(&[&*event]).unwrap().replace("\"promoted\"", "\"knighted\"");
    stage.sql(&format!("insert into journal values (0, 1, '{body}')"));
    let record = |folded: &str| format!(r#"{{"batches":[[0,1]],"folded":{folded},"rows":[],"gone":[],"new":[]}}"#);
    let open = |record: String| {
        stage.sql("delete from redo");
        stage.sql(&format!("insert into redo (body) values ('{record}')"));
        journal::open(&stage.place, CONTEXT, 1).err().map(|fault| fault.to_string())
    };
    assert_eq!(open(record("[]")), None, "no row of it was put off");
    let named = serde_json::json!([["customer", event.stream]]).to_string();
    let why = open(record(&named)).unwrap();
    assert!(why.contains("newer version"), "{why}");
}
