//! Lists that stay true: read again at every change of their live stream, drawn in place on a terminal, and told line
//! by line to anything else.

use crate::{Failure, News, Watch, client::Reply, context::Context, orders::tell_change, output::Format, table::Sheet, times};
use serde_json::Value;
use shared::Lang;
use std::{collections::BTreeSet, time::Duration};
use tokio::time::Instant;

/// An order that nobody answers is called again after this.
const CALL_AGAIN: Duration = Duration::from_secs(20);
/// Changes that come together are shown together.
const TOGETHER: Duration = Duration::from_millis(80);
/// A screen holds no more.
const SIZE: u32 = 50;

/// What a board shows.
pub struct Board<'a> {
    /// The live stream.
    pub events: &'a str,
    /// The list, and its filter.
    pub list: &'a str,
    /// The filter of the list.
    pub filter: &'a [(&'a str, String)],
    /// The list as a table.
    pub table: fn(&Reply, Lang) -> Result<Sheet, Failure>,
    /// Above it.
    pub title: String,
    /// Rings for the rows that wait for an answer.
    pub bell: bool,
}

/// Shows a board until Ctrl-C.
pub async fn show(ctx: &Context, board: &Board<'_>) -> Result<(), Failure> {
    let mut watch = Watch::new(&ctx.client, board.events);
    let mut bell = Bell::default();
    let redraws = ctx.out.can_redraw();
    let mut due: Option<Instant> = None;
    loop {
        let news = tokio::select! {
            news = watch.next() => Some(news?),
            () = until(due) => None,
            () = until(bell.at), if board.bell => {
                ctx.out.ring();
                bell.at = Some(Instant::now() + CALL_AGAIN);
                continue;
            }
        };
        match news {
            None => {
                due = None;
                let reply = read(ctx, board).await?;
                if board.bell && bell.hear(&reply) {
                    ctx.out.ring();
                }
                if redraws {
                    draw(ctx, board, &reply)?;
                }
            }
            Some(News::Lost) => ctx.out.note(ctx.t("연결이 끊겨 다시 연결하고 있어요", "The connection is lost; connecting again.")),
            Some(News::Open { .. } | News::Gap) => due = Some(Instant::now()),
            Some(News::Change { change, text }) => {
                due = due.or_else(|| Some(Instant::now() + TOGETHER));
                match ctx.out.live_format() {
                    _ if redraws => {}
                    Format::Table => ctx.out.line(&format!("{}  {}", change.order, tell_change(&change, ctx.lang).line()))?,
                    Format::Name => ctx.out.line(&change.order.to_string())?,
                    Format::Json | Format::Jsonl => ctx.out.line(&text)?,
                }
            }
        }
    }
}

async fn until(when: Option<Instant>) {
    match when {
        Some(when) => tokio::time::sleep_until(when).await,
        None => std::future::pending().await,
    }
}

async fn read(ctx: &Context, board: &Board<'_>) -> Result<Reply, Failure> {
    let mut query = board.filter.to_vec();
    query.push(("size", SIZE.to_string()));
    ctx.client.get_with(board.list, &query).await
}

fn draw(ctx: &Context, board: &Board<'_>, reply: &Reply) -> Result<(), Failure> {
    let count = reply.items().len();
    let title = format!("{}  {}  {}", board.title, ctx.t(format!("{count}건"), format!("{count} open")), times::clock(times::now_ms()));
    ctx.out.redraw(&title, &(board.table)(reply, ctx.lang)?)
}

/// Rings for a new row that waits, and again until none waits.
#[derive(Default)]
struct Bell {
    waiting: BTreeSet<String>,
    at: Option<Instant>,
}

impl Bell {
    /// True when there is a new one.
    fn hear(&mut self, reply: &Reply) -> bool {
        let text = |item: &Value, name: &str| item.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let waiting: BTreeSet<String> = reply.items().iter().filter(|i| text(i, "status") == "waiting").map(|i| text(i, "order")).collect();
        let is_new = waiting.difference(&self.waiting).next().is_some();
        if waiting.is_empty() {
            self.at = None;
        } else if is_new || self.at.is_none() {
            self.at = Some(Instant::now() + CALL_AGAIN);
        }
        self.waiting = waiting;
        is_new
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_bell_rings_for_new_rows_that_wait() {
        let reply =
            |rows: Value| Reply { status: 200, text: String::new(), body: json!({"_embedded": {"foodCookings": rows}}), retry_after: None };
        let mut bell = Bell::default();
        assert!(!bell.hear(&reply(json!([{"order": "a", "status": "cooking"}]))) && bell.at.is_none());
        assert!(bell.hear(&reply(json!([{"order": "a", "status": "waiting"}]))) && bell.at.is_some());
        assert!(!bell.hear(&reply(json!([{"order": "a", "status": "waiting"}]))) && bell.at.is_some());
        assert!(!bell.hear(&reply(json!([{"order": "a", "status": "accepted"}]))) && bell.at.is_none());
    }
}
