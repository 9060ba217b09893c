//! Brings a context's schema up to the version that this code reads and writes, and refuses servers that lose commits.

use super::{
    schema_name,
    session::{answer, connect},
};
use crate::journal::{Fault, PostgresPlace};
use shared::Context;
use tokio_postgres::Client;

/// The schema that this code reads and writes. An older one is brought up to it, a newer one is refused.
pub const SCHEMA_VERSION: i64 = 2;

/// Each step brings a schema from the version of its index to the next. Functions are named with the version that brought
/// them, because replicas of two versions run side by side while one takes over from the other.
const MIGRATIONS: [&str; SCHEMA_VERSION as usize] = [include_str!("1.sql"), include_str!("2.sql")];

/// How long to wait while another replica brings the schema up: longer than any step takes.
const MIGRATION_LOCK: &str = "30s";

/// Prepares the server's side.
pub async fn prepare(place: &PostgresPlace, context: Context, partitions: u16) -> Result<(), Fault> {
    let mut client = connect(place, context).await?;
    refuse_forgetful(&client, place).await?;
    let schema = schema_name(context);
    let (step, lock) = (migrate(&mut client, &schema, partitions), std::time::Duration::from_secs(40));
    super::session::within(lock, step).await?
}

/// A server that does not flush what it acknowledges loses orders when the power fails.
async fn refuse_forgetful(client: &Client, place: &PostgresPlace) -> Result<(), Fault> {
    let sql = "select array(select name from unnest(array['fsync', 'full_page_writes', 'synchronous_commit']) name
        where current_setting(name) = 'off')";
    let off: Vec<String> = answer(client.query_one(sql, &[])).await?.get(0);
    if off.is_empty() || place.may_lose_commits {
        return Ok(());
    }
    Err(Fault(format!(
        "{place} runs with {} = off, and would lose acknowledged orders when the power fails: turn it on, or, for tests only, \
         add ?may_lose_commits=yes to the URL",
        off.join(" = off, ")
    )))
}

async fn migrate(client: &mut Client, schema: &str, partitions: u16) -> Result<(), Fault> {
    let tx = client.transaction().await?;
    tx.batch_execute(&format!(
        "set local lock_timeout = '{MIGRATION_LOCK}'; set local statement_timeout = '{MIGRATION_LOCK}';
         select pg_advisory_xact_lock(hashtext('baemin schema'), hashtext('{schema}'))"
    ))
    .await?;
    // Asked first, because whoever may not create schemas may still use one.
    if tx.query_opt("select from pg_namespace where nspname = $1", &[&schema]).await?.is_none() {
        tx.batch_execute(&format!("create schema {schema}")).await?;
    }
    let found = if tx.query_one("select to_regclass($1 || '.meta') is not null", &[&schema]).await?.get(0) {
        tx.query_one("select value from meta where name = 'schema'", &[]).await?.get(0)
    } else {
        tx.batch_execute("create table meta (name text primary key, value bigint not null); insert into meta values ('schema', 0)").await?;
        0i64
    };
    if found > SCHEMA_VERSION {
        return Err(Fault(format!(
            "the schema {schema} was written by a newer version (schema {found}, this is {SCHEMA_VERSION}): use that version, or \
             another database"
        )));
    }
    for version in found..SCHEMA_VERSION {
        tx.batch_execute(MIGRATIONS[version as usize]).await?;
        if version == 0 {
            let heads = vec![0i64; usize::from(partitions)];
            tx.execute("insert into head (version, heads) values (0, $1)", &[&heads]).await?;
        }
        tx.execute("update meta set value = $1 where name = 'schema'", &[&(version + 1)]).await?;
    }
    Ok(tx.commit().await?)
}
