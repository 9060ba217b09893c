//! What every journal promises of timers.

use crate::stage::*;
use server::journal::Commit;

fn sets(timers: Vec<server::journal::Timer>) -> Commit {
    Commit { timers, ..Commit::default() }
}

pub fn are_replaced_and_fire(stage: &Stage) {
    let (mut journal, _reader) = stage.open(1);
    journal.commit(&sets(vec![timer("a", "one", 30), timer("a", "two", 20), timer("b", "one", 10)])).unwrap();
    assert_eq!(journal.next_due(&[0]).unwrap(), Some(10));
    assert!(journal.due(9, 10, &[0]).unwrap().is_empty());
    let due = |now, limit| journal.due(now, limit, &[0]).unwrap().into_iter().map(|t| (t.due_ms, t.stream.to_string())).collect::<Vec<_>>();
    assert_eq!(due(20, 10), [(10, "b".into()), (20, "a".into())]);
    assert_eq!(due(99, 1), [(10, "b".into())]);
    let old = journal.due(10, 1, &[0]).unwrap().remove(0);
    assert_eq!(old.command, timer("b", "one", 10).command);
    // Set anew in the commit that fires it, and twice: the last one stays.
    let mut commit = sets(vec![timer("b", "one", 40), timer("b", "one", 50)]);
    commit.timers_done = vec![old.id];
    journal.commit(&commit).unwrap();
    let all = journal.due(99, 10, &[0]).unwrap();
    assert_eq!(all.iter().map(|t| t.due_ms).collect::<Vec<_>>(), [20, 30, 50]);
    // Set anew, it has another number: the old one's firing does not end it.
    let before = all[2].id;
    journal.commit(&sets(vec![timer("b", "one", 60)])).unwrap();
    journal.commit(&Commit { timers_done: vec![before], ..Commit::default() }).unwrap();
    let all = journal.due(99, 10, &[0]).unwrap();
    assert_eq!(all.iter().map(|t| t.due_ms).collect::<Vec<_>>(), [20, 30, 60]);
    journal.commit(&Commit { timers_done: all.iter().map(|t| t.id).collect(), ..Commit::default() }).unwrap();
    assert_eq!(journal.next_due(&[0]).unwrap(), None);
}

pub fn are_filtered_by_partition(stage: &Stage) {
    let (mut journal, _reader) = stage.open(4);
    let names: Vec<String> = (0..40).map(|i| format!("stream {i}")).collect();
    journal.commit(&sets(names.iter().enumerate().map(|(i, name)| timer(name, "x", i as i64)).collect())).unwrap();
    let mut seen = vec![];
    for partition in 0..4u16 {
        let due = journal.due(99, 100, &[partition]).unwrap();
        assert!(!due.is_empty());
        assert!(due.iter().all(|timer| server::engine::core::partition_of(&timer.stream, 4) == usize::from(partition)));
        assert_eq!(journal.next_due(&[partition]).unwrap(), Some(due[0].due_ms));
        assert_eq!(journal.due(99, 1, &[partition]).unwrap()[0].id, due[0].id);
        seen.extend(due.into_iter().map(|timer| timer.due_ms));
    }
    seen.sort_unstable();
    assert_eq!(seen, (0..40).collect::<Vec<_>>());
    assert!(journal.due(99, 100, &[]).unwrap().is_empty());
    assert_eq!(journal.next_due(&[]).unwrap(), None);
}
