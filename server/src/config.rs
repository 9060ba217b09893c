//! What an operator may set: flags, or `BAEMIN_*` variables.

use domain::Deadlines;
use std::{net::SocketAddr, path::PathBuf};

/// The server of Baemin: every service in one process, on one folder, with nothing installed.
#[derive(Debug, Clone, clap::Parser)]
#[command(name = "baemin-server", version)]
pub struct Config {
    /// The folder with everything that is kept. Only one server uses it at a time.
    #[arg(long, env = "BAEMIN_DATA", default_value = "baemin-data")]
    pub data: PathBuf,

    /// Where to listen. Port 0 takes a free one.
    #[arg(long, env = "BAEMIN_LISTEN", default_value = "127.0.0.1:8088")]
    pub listen: SocketAddr,

    /// Origins that may call from a browser, exactly as browsers send them.
    #[arg(long = "cors-origin", env = "BAEMIN_CORS_ORIGINS", value_delimiter = ',')]
    pub cors_origins: Vec<String>,

    /// Live streams that one account may hold open.
    #[arg(long, env = "BAEMIN_MAX_STREAMS", default_value_t = 64)]
    pub max_streams: usize,

    /// A deadline in milliseconds, such as `answer=600000`. Names: payment, answer, overdue, minute, cook, widen, rider,
    /// door, receipt, extra.
    #[arg(long = "deadline", env = "BAEMIN_DEADLINES", value_delimiter = ',', value_parser = deadline)]
    pub deadlines: Vec<(String, i64)>,

    /// How long an access token lives, in milliseconds.
    #[arg(long, env = "BAEMIN_ACCESS_MS", default_value_t = 15 * 60 * 1000)]
    pub access_ms: i64,
}

/// No wait is longer than a month.
const MAX_DEADLINE_MS: i64 = 31 * 24 * 3_600_000;

fn deadline(text: &str) -> Result<(String, i64), String> {
    let wanted = || "a name and milliseconds are wanted, such as answer=600000".to_owned();
    let (name, ms) = text.split_once('=').ok_or_else(wanted)?;
    let ms: i64 = ms.parse().map_err(|_| wanted())?;
    if !(1..=MAX_DEADLINE_MS).contains(&ms) {
        return Err(format!("1 to {MAX_DEADLINE_MS} milliseconds are wanted"));
    }
    let mut probe = Deadlines::default();
    set(&mut probe, name, ms).ok_or_else(|| format!("{name}: no such deadline"))?;
    Ok((name.to_owned(), ms))
}

fn set(deadlines: &mut Deadlines, name: &str, ms: i64) -> Option<()> {
    *match name {
        "payment" => &mut deadlines.payment_ms,
        "answer" => &mut deadlines.answer_ms,
        "overdue" => &mut deadlines.overdue_ms,
        "minute" => &mut deadlines.minute_ms,
        "cook" => &mut deadlines.cook_ms,
        "widen" => &mut deadlines.widen_ms,
        "rider" => &mut deadlines.rider_ms,
        "door" => &mut deadlines.door_ms,
        "receipt" => &mut deadlines.receipt_ms,
        "extra" => &mut deadlines.extra_ms,
        _ => return None,
    } = ms;
    Some(())
}

impl Config {
    /// The deadlines as set.
    pub fn deadlines(&self) -> Deadlines {
        let mut deadlines = Deadlines::default();
        for (name, ms) in &self.deadlines {
            // Names were checked when they were read.
            let _ = set(&mut deadlines, name, *ms);
        }
        deadlines
    }
}
