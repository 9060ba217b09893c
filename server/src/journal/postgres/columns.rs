//! A commit as columns: each array is one parameter, whatever the number of rows, so a commit is one statement.

use crate::{
    engine::core::partition_of,
    journal::{Commit, Fault, json},
};
use shared::Recorded;
use std::collections::HashMap;
use tokio_postgres::types::ToSql;

/// The parameters of `write`, after the version, the commit's id and the heads.
#[derive(Debug, Default)]
pub struct Columns<'a> {
    journal: (Vec<i32>, Vec<i64>, Vec<String>),
    rows: (Vec<&'a str>, Vec<&'a str>, Vec<i64>, Vec<String>),
    tags_gone: Tags<'a>,
    tags_new: Tags<'a>,
    timers_done: &'a [i64],
    timers: (Vec<i32>, Vec<&'a str>, Vec<&'a str>, Vec<&'a str>, Vec<i64>, Vec<String>, Vec<Option<String>>),
    cursors: (Vec<&'a str>, Vec<i32>, Vec<i64>),
    answers: (Vec<&'a [u8]>, Vec<&'a [u8]>, Vec<&'a str>, Vec<Option<&'a [u8]>>, Vec<i64>),
    parked: Vec<String>,
    parked_gone: &'a [i64],
}

type Tags<'a> = (Vec<&'a str>, Vec<&'a str>, Vec<i64>, Vec<&'a str>);

impl<'a> Columns<'a> {
    /// Turns a commit into columns.
    pub fn of(commit: &'a Commit, partitions: usize) -> Result<Self, Fault> {
        let mut columns = Self { timers_done: &commit.timers_done, parked_gone: &commit.parked_gone, ..Self::default() };
        columns.add_events(commit)?;
        columns.add_rows(commit)?;
        columns.add_timers(commit, partitions)?;
        for ((context, partition), seq) in &commit.cursors {
            columns.cursors.0.push(context.name());
            columns.cursors.1.push(i32::from(*partition));
            columns.cursors.2.push(*seq as i64);
        }
        columns.add_answers(commit);
        columns.parked = commit.parked.iter().map(serde_json::to_string).collect::<Result<_, _>>()?;
        Ok(columns)
    }

    /// One row of the journal for each partition, named by its last sequence number.
    fn add_events(&mut self, commit: &'a Commit) -> Result<(), Fault> {
        let mut partitions: Vec<u16> = commit.events.iter().map(|event| event.position.partition).collect();
        partitions.sort_unstable();
        partitions.dedup();
        for partition in partitions {
            let mine: Vec<&Recorded> = commit.events.iter().map(|e| &**e).filter(|e| e.position.partition == partition).collect();
            let Some(last) = mine.last() else { continue };
            self.journal.0.push(i32::from(partition));
            self.journal.1.push(last.position.seq as i64);
            self.journal.2.push(json::events(&mine)?);
        }
        Ok(())
    }

    fn add_rows(&mut self, commit: &'a Commit) -> Result<(), Fault> {
        for put in &commit.rows {
            let kind = put.kind.name();
            self.rows.0.push(kind);
            self.rows.1.push(&put.key);
            self.rows.2.push(put.stored.version as i64);
            self.rows.3.push(json::row(&put.stored.row)?);
            for (tags, columns) in [(&put.tags_gone, &mut self.tags_gone), (&put.tags_new, &mut self.tags_new)] {
                for tag in tags {
                    columns.0.push(kind);
                    columns.1.push(&tag.name);
                    columns.2.push(tag.sort);
                    columns.3.push(&put.key);
                }
            }
        }
        Ok(())
    }

    /// The last of those with the same name: one statement cannot write a row twice.
    fn add_timers(&mut self, commit: &'a Commit, partitions: usize) -> Result<(), Fault> {
        let last: HashMap<_, _> =
            commit.timers.iter().enumerate().map(|(i, timer)| ((timer.command.kind(), &timer.stream, timer.name), i)).collect();
        for (i, timer) in commit.timers.iter().enumerate() {
            let kind = timer.command.kind();
            if last[&(kind, &timer.stream, timer.name)] != i {
                continue;
            }
            self.timers.0.push(partition_of(&timer.stream, partitions) as i32);
            self.timers.1.push(kind.name());
            self.timers.2.push(&timer.stream);
            self.timers.3.push(timer.name);
            self.timers.4.push(timer.due_ms);
            self.timers.5.push(serde_json::to_string(&timer.command)?);
            self.timers.6.push(timer.cause.map(|cause| serde_json::to_string(&cause)).transpose()?);
        }
        Ok(())
    }

    /// The first of those with the same key, with the first body that any of them has.
    fn add_answers(&mut self, commit: &'a Commit) {
        let mut places = HashMap::new();
        for answer in &commit.answers {
            let body = answer.body.as_deref();
            let place = *places.entry(&answer.key).or_insert(self.answers.0.len());
            if let Some(before) = self.answers.3.get_mut(place) {
                *before = before.or(body);
                continue;
            }
            self.answers.0.push(&answer.key);
            self.answers.1.push(&answer.fingerprint);
            self.answers.2.push(&answer.stream);
            self.answers.3.push(body);
            self.answers.4.push(answer.at_ms);
        }
    }

    /// In the order of the function's parameters.
    pub fn parameters(&self) -> Vec<&(dyn ToSql + Sync)> {
        let (gone, new, timers, answers) = (&self.tags_gone, &self.tags_new, &self.timers, &self.answers);
        vec![
            &self.journal.0,
            &self.journal.1,
            &self.journal.2,
            &self.rows.0,
            &self.rows.1,
            &self.rows.2,
            &self.rows.3,
            &gone.0,
            &gone.1,
            &gone.2,
            &gone.3,
            &new.0,
            &new.1,
            &new.2,
            &new.3,
            &self.timers_done,
            &timers.0,
            &timers.1,
            &timers.2,
            &timers.3,
            &timers.4,
            &timers.5,
            &timers.6,
            &self.cursors.0,
            &self.cursors.1,
            &self.cursors.2,
            &answers.0,
            &answers.1,
            &answers.2,
            &answers.3,
            &answers.4,
            &self.parked,
            &self.parked_gone,
        ]
    }
}

/// How many parameters [`Columns::parameters`] gives.
pub const COLUMNS: usize = 33;
