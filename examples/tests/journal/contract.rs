//! What every journal promises.

use crate::{deferred, stage::*, timers};
use domain::tag;
use server::journal::{self, Answer, Commit, Held, Journal, Listed, Parked, Reader, Slice, Touched, Unwritten};
use shared::{Context, Kind};

const PROMISES: &[(&str, fn(&Stage))] = &[
    ("events are read as they were appended", events_are_read_as_they_were_appended),
    ("a commit is all or nothing", a_commit_is_all_or_nothing),
    ("rows are listed by their tags", rows_are_listed_by_their_tags),
    ("rows and lists are as the commits left them", deferred::rows_and_lists_are_as_the_commits_left_them),
    ("cursors move", cursors_move),
    ("requests are remembered", requests_are_remembered),
    ("refused reactions are kept", refused_reactions_are_kept),
    ("what is committed is there after a restart", what_is_committed_is_there_after_a_restart),
    ("a newer schema is refused", a_newer_schema_is_refused),
    ("names that cannot be are not there", names_that_cannot_be_are_not_there),
    ("timers are replaced and fire", timers::are_replaced_and_fire),
    ("timers are filtered by partition", timers::are_filtered_by_partition),
    ("one that is alone has everything", one_that_is_alone_has_everything),
];

#[test]
fn sqlite_keeps_every_promise() {
    for (name, promise) in PROMISES {
        println!("{name}");
        promise(&Stage::sqlite());
    }
}

#[test]
fn postgres_keeps_every_promise() {
    let (server, _dir) = server();
    for (name, promise) in PROMISES {
        println!("{name}");
        promise(&Stage::postgres(&server));
    }
}

/// What is read by callers on every kind of thread.
#[test]
fn readers_may_be_called_anywhere() {
    let (server, _dir) = server();
    for stage in [Stage::sqlite(), Stage::postgres(&server)] {
        let (mut journal, reader) = stage.open(1);
        journal.commit(&puts(vec![put("a", 1)])).unwrap();
        let look = || reader.load(Kind::Customer, "a").unwrap().unwrap().version;
        assert_eq!(look(), 1);
        run(async { assert_eq!(look(), 1) });
        let many = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        many.block_on(async {
            assert_eq!(look(), 1);
            let reader = reader.clone();
            tokio::spawn(async move { assert_eq!(reader.load(Kind::Customer, "a").unwrap().unwrap().version, 1) }).await.unwrap();
            // Opened, used and dropped within a runtime, as the engine does.
            let (mut journal, reader) = stage.open(1);
            assert_eq!(reader.load(Kind::Customer, "a").unwrap().unwrap().version, 1);
            journal.refresh().unwrap();
            journal.close().unwrap();
        });
    }
}

/// A copy from one to the other is the same to the byte.
#[test]
fn both_write_the_same_text() {
    let (server, _dir) = server();
    let texts = [Stage::sqlite(), Stage::postgres(&server)].map(|stage| {
        let (mut journal, _reader) = stage.open(2);
        let mut commit = appends([events(0, 0, 3), events(1, 0, 2)].concat());
        commit.rows = vec![put("a", 1)];
        commit.timers = vec![timer("a", "later", 5)];
        commit.parked = vec![parked(1)];
        journal.commit(&commit).unwrap();
        let tables = ["journal", "rows", "cursors"].map(|table| stage.sql(&format!("select * from {table} order by 1, 2")));
        let others = ["select kind, stream, name, due_ms, command from timers", "select body from parked"].map(|text| stage.sql(text));
        (tables, others)
    });
    assert_eq!(texts[0].0[0].len(), 2);
    assert_eq!(texts[0], texts[1]);
}

fn positions(reader: &dyn Reader, partition: u16, after: u64, limit: usize) -> Vec<u64> {
    let events = reader.feed(partition, after, limit).unwrap();
    assert!(events.iter().all(|event| event.position.partition == partition));
    for event in &events {
        assert_eq!(**event, *crate::stage::event(partition, event.position.seq));
    }
    events.iter().map(|event| event.position.seq).collect()
}

fn events_are_read_as_they_were_appended(stage: &Stage) {
    let (mut journal, reader) = stage.open(2);
    assert_eq!(journal.heads().unwrap(), [0, 0]);
    assert_eq!(positions(&*reader, 0, 0, 10), [0u64; 0]);
    journal.commit(&appends([events(0, 0, 3), events(1, 0, 1)].concat())).unwrap();
    journal.commit(&appends(events(0, 3, 5))).unwrap();
    journal.commit(&appends(events(0, 5, 8))).unwrap();
    assert_eq!(journal.refresh().unwrap().heads, [8, 1]);
    assert_eq!(positions(&*reader, 0, 0, 100), [1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!(positions(&*reader, 1, 0, 100), [1]);
    // From the middle of a commit; and a limit ends with a whole commit.
    assert_eq!(positions(&*reader, 0, 2, 100), [3, 4, 5, 6, 7, 8]);
    assert_eq!(positions(&*reader, 0, 2, 1), [3]);
    assert_eq!(positions(&*reader, 0, 2, 2), [3, 4, 5]);
    assert_eq!(positions(&*reader, 0, 0, 4), [1, 2, 3, 4, 5]);
    assert_eq!(positions(&*reader, 0, 8, 100), [0u64; 0]);
    assert_eq!(positions(&*reader, 0, 9, usize::MAX), [0u64; 0]);
}

fn a_commit_is_all_or_nothing(stage: &Stage) {
    let (mut journal, reader) = stage.open(1);
    // Something stands where the event should go, so the commit fails after it has begun.
    stage.sql("insert into journal values (0, 1, '[]')");
    let mut commit = appends(events(0, 0, 1));
    commit.rows = vec![put("a", 1)];
    commit.cursors.insert((Context::Order, 0), 7);
    commit.timers = vec![timer("a", "later", 5)];
    commit.parked = vec![parked(1)];
    assert!(matches!(journal.commit(&commit), Err(Unwritten::Fault(_))));
    assert!(journal.load(Kind::Customer, "a").unwrap().is_none());
    assert!(reader.load(Kind::Customer, "a").unwrap().is_none());
    assert_eq!(journal.next_due(&[0]).unwrap(), None);
    assert_eq!(reader.parked_count().unwrap(), 0);
    let news = journal.refresh().unwrap();
    assert!(news.cursors.is_empty());
    stage.sql("delete from journal");
    journal.commit(&commit).unwrap();
    assert_eq!(journal.load(Kind::Customer, "a").unwrap().unwrap().version, 1);
    assert_eq!(journal.heads().unwrap(), [1]);
    assert_eq!(journal.cursors().unwrap()[&(Context::Order, 0)], 7);
    assert_eq!(reader.parked_count().unwrap(), 1);
}

fn rows_are_listed_by_their_tags(stage: &Stage) {
    let (mut journal, reader) = stage.open(1);
    let tagged = |key: &str, sort: i64| {
        let mut put = put(key, 1);
        put.tags_new = vec![tag("all", sort), tag("모두", 0)];
        put
    };
    journal.commit(&puts(vec![tagged("b", 2), tagged("a", 2), tagged("C", 1), tagged("가", -5)])).unwrap();
    let list = |name: &str, offset, limit, newest_first| {
        let (keys, total) = reader.list(Kind::Customer, name, Slice { offset, limit, newest_first }).unwrap();
        (keys.iter().map(|key| key.to_string()).collect::<Vec<_>>().join(" "), total)
    };
    assert_eq!(list("all", 0, 10, false), ("가 C a b".into(), 4));
    assert_eq!(list("all", 0, 10, true), ("b a C 가".into(), 4));
    assert_eq!(list("all", 1, 2, false), ("C a".into(), 4));
    assert_eq!(list("all", 9, 2, true), (String::new(), 4));
    // Keys sort by their bytes, whatever the language of the machine.
    assert_eq!(list("모두", 0, 10, false), ("C a b 가".into(), 4));
    assert_eq!(list("none", 0, 10, true), (String::new(), 0));
    assert!(reader.list(Kind::Review, "all", Slice { offset: 0, limit: 9, newest_first: true }).unwrap().0.is_empty());
    // Read from a place on, whether that row is still there or not.
    let walk = |after: Option<(i64, &str)>, limit| {
        let after = after.map(|(place, key)| (place, key.into()));
        reader.walk(Kind::Customer, "all", after.as_ref(), limit).unwrap()
    };
    let all: Vec<Listed> = vec![(-5, "가".into()), (1, "C".into()), (2, "a".into()), (2, "b".into())];
    assert_eq!((walk(None, 9), walk(None, 2)), (all.clone(), all[..2].to_vec()));
    assert_eq!(
        (walk(Some((2, "a")), 9), walk(Some((0, "z")), 2), walk(Some((2, "b")), 9)),
        (all[3..].to_vec(), all[1..3].to_vec(), vec![])
    );
    let mut moved = put("a", 2);
    (moved.tags_gone, moved.tags_new) = (vec![tag("all", 2), tag("모두", 0)], vec![tag("all", 9)]);
    journal.commit(&puts(vec![moved])).unwrap();
    assert_eq!(list("all", 0, 10, true), ("a b C 가".into(), 4));
    assert_eq!(list("모두", 0, 10, true), ("가 b C".into(), 3));
    assert_eq!(reader.load(Kind::Customer, "a").unwrap().unwrap().version, 2);
    assert_eq!(journal.load(Kind::Customer, "b").unwrap().unwrap().version, 1);
    assert!(journal.load(Kind::Review, "b").unwrap().is_none());
}

fn cursors_move(stage: &Stage) {
    let (mut journal, _reader) = stage.open(1);
    let moved = |places: &[(Context, u16, u64)]| Commit {
        cursors: places.iter().map(|(context, partition, seq)| ((*context, *partition), *seq)).collect(),
        ..Commit::default()
    };
    journal.commit(&moved(&[(Context::Order, 0, 3), (Context::Order, 1, 4), (Context::Store, 0, 5)])).unwrap();
    journal.commit(&moved(&[(Context::Order, 1, 9)])).unwrap();
    let expected = moved(&[(Context::Order, 0, 3), (Context::Order, 1, 9), (Context::Store, 0, 5)]).cursors;
    assert_eq!(journal.cursors().unwrap(), expected);
    assert_eq!(journal.refresh().unwrap().cursors, expected);
    drop(journal);
    assert_eq!(stage.open(1).0.cursors().unwrap(), expected);
}

fn answer(key: u8, body: Option<&str>, at_ms: i64) -> Answer {
    Answer { key: [key; 16], fingerprint: [7; 16], stream: "a".into(), body: body.map(|body| body.into()), at_ms }
}

fn requests_are_remembered(stage: &Stage) {
    let (mut journal, reader) = stage.open(1);
    let remember = |journal: &mut dyn Journal, answers| journal.commit(&Commit { answers, ..Commit::default() }).unwrap();
    assert!(!journal.answered([1; 16]).unwrap());
    remember(&mut *journal, vec![answer(1, None, 10), answer(2, None, 20)]);
    assert!(journal.answered([1; 16]).unwrap());
    assert_eq!(reader.answer([1; 16]).unwrap(), Some(answer(1, None, 10)));
    // The first body stays; begun and completed within one commit is completed.
    remember(&mut *journal, vec![answer(1, Some("one"), 11), answer(3, None, 30), answer(3, Some("three"), 31)]);
    remember(&mut *journal, vec![answer(1, Some("two"), 12)]);
    assert_eq!(reader.answer([1; 16]).unwrap(), Some(answer(1, Some("one"), 10)));
    assert_eq!(reader.answer([3; 16]).unwrap(), Some(answer(3, Some("three"), 30)));
    assert_eq!(journal.forget_answers(25, 1).unwrap(), 1);
    assert_eq!(journal.forget_answers(25, 10).unwrap(), 1);
    assert_eq!(journal.forget_answers(25, 10).unwrap(), 0);
    assert_eq!([1, 2, 3].map(|key| journal.answered([key; 16]).unwrap()), [false, false, true]);
    assert_eq!(reader.answer([9; 16]).unwrap(), None);
}

fn parked(at_ms: i64) -> Parked {
    let command = timer("a", "x", 1).command;
    Parked { cause: None, stream: "a".into(), held: Held::Command(command), reason: "no".into(), at_ms }
}

fn refused_reactions_are_kept(stage: &Stage) {
    let (mut journal, reader) = stage.open(1);
    journal.commit(&Commit { parked: vec![parked(1), parked(2), parked(3)], ..Commit::default() }).unwrap();
    let list = |before, limit| -> Vec<(i64, i64)> {
        reader.parked(before, limit).unwrap().into_iter().map(|(id, parked)| (id, parked.at_ms)).collect()
    };
    let all = list(None, 10);
    assert_eq!(all.iter().map(|(_, at)| *at).collect::<Vec<_>>(), [3, 2, 1]);
    assert_eq!(list(Some(all[0].0), 1), [all[1]]);
    assert_eq!(reader.parked_count().unwrap(), 3);
    journal.commit(&Commit { parked_gone: vec![all[0].0, all[2].0], ..Commit::default() }).unwrap();
    assert_eq!(list(None, 10), [all[1]]);
    journal.commit(&Commit { parked: vec![parked(4)], ..Commit::default() }).unwrap();
    let newest = list(None, 1)[0];
    assert_eq!(newest.1, 4);
    assert!(newest.0 > all[0].0, "a number was used again");
    assert_eq!(reader.parked_count().unwrap(), 2);
}

fn what_is_committed_is_there_after_a_restart(stage: &Stage) {
    let (mut journal, reader) = stage.open(3);
    let mut commit = appends(events(2, 0, 4));
    commit.rows = vec![put("a", 1)];
    journal.commit(&commit).unwrap();
    journal.close().unwrap();
    drop((journal, reader));
    // The number of partitions is that of the first time.
    let (mut journal, reader) = stage.open(1);
    assert_eq!(journal.heads().unwrap(), [0, 0, 4]);
    assert_eq!(positions(&*reader, 2, 0, 100), [1, 2, 3, 4]);
    assert_eq!(journal.load(Kind::Customer, "a").unwrap().unwrap().version, 1);
    journal.commit(&appends(events(2, 4, 5))).unwrap();
    assert_eq!(positions(&*reader, 2, 4, 100), [5]);
}

fn a_newer_schema_is_refused(stage: &Stage) {
    drop(stage.open(1));
    let raised = if stage.is_sqlite() { "pragma user_version = 99" } else { "update meta set value = 99 where name = 'schema'" };
    stage.sql(raised);
    let Err(fault) = journal::open(&stage.place, CONTEXT, 1) else { panic!("a newer schema was taken") };
    assert!(fault.to_string().contains("newer version (schema 99"), "{fault}");
}

fn names_that_cannot_be_are_not_there(stage: &Stage) {
    let (journal, reader) = stage.open(1);
    assert!(journal.load(Kind::Customer, "a\0b").unwrap().is_none());
    assert!(reader.load(Kind::Customer, "a\0b").unwrap().is_none());
    assert_eq!(reader.list(Kind::Customer, "\0", Slice { offset: 0, limit: 1, newest_first: true }).unwrap(), (vec![], 0));
    assert_eq!(reader.walk(Kind::Customer, "\0", None, 1).unwrap(), []);
}

fn one_that_is_alone_has_everything(stage: &Stage) {
    let (mut journal, _reader) = stage.open(3);
    let share = journal.share().unwrap();
    assert_eq!((share.partitions, share.alone), (vec![0, 1, 2], true));
    assert_eq!(journal.is_shared(), !stage.is_sqlite());
    journal.commit(&puts(vec![put("a", 1)])).unwrap();
    let news = journal.refresh().unwrap();
    assert_eq!(news.touched, Touched::Rows(vec![]), "one's own commit is no news");
}

/// The file as its first version had it.
const FIRST: [&str; 7] = [
    "create table a (key blob primary key, fingerprint blob not null, stream text not null, body blob, at_ms integer not null) without rowid",
    "insert into a select key, fingerprint, stream, body, at_ms from answers",
    "drop table answers",
    "alter table a rename to answers",
    "create table p (id integer primary key, body text not null)",
    "insert into p select id, body from parked",
    "drop table redo",
];

#[test]
fn an_older_file_is_migrated() {
    let stage = Stage::sqlite();
    let (mut journal, reader) = stage.open(2);
    let mut first = Commit { parked: vec![parked(1), parked(2)], rows: vec![put("a", 1)], ..appends(events(1, 0, 3)) };
    first.answers = vec![answer(1, Some("one"), 5), answer(2, None, 4)];
    journal.commit(&first).unwrap();
    drop((journal, reader));
    let last = ["drop table parked", "alter table p rename to parked", "pragma user_version = 1"];
    FIRST.iter().chain(&last).for_each(|step| drop(stage.sql(step)));

    let (mut journal, reader) = stage.open(2);
    let before: Vec<i64> = reader.parked(None, 9).unwrap().into_iter().map(|(id, _)| id).collect();
    assert_eq!(before, [2, 1]);
    assert_eq!(reader.load(Kind::Customer, "a").unwrap().unwrap().version, 1);
    assert_eq!((positions(&*reader, 1, 0, 9), journal.heads().unwrap()), (vec![1, 2, 3], vec![0, 3]));
    assert_eq!(
        (reader.answer([1; 16]).unwrap(), reader.answer([2; 16]).unwrap()),
        (Some(answer(1, Some("one"), 5)), Some(answer(2, None, 4)))
    );
    // The oldest are forgotten first, although they came later.
    assert_eq!(journal.forget_answers(5, 1).unwrap(), 1);
    assert!(reader.answer([2; 16]).unwrap().is_none());
    journal.commit(&Commit { parked_gone: vec![2], ..Commit::default() }).unwrap();
    journal.commit(&Commit { parked: vec![parked(3)], ..Commit::default() }).unwrap();
    assert_eq!(reader.parked(None, 1).unwrap()[0].0, 3, "a number is used once");
}
