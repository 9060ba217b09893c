//! The demo: one order from menu to doorstep through the real `baemin` binary, and then everything that can happen on
//! the way. Each claim that it prints is checked; the first that does not hold ends it with exit code 1.

mod demo {
    pub mod story;
}

use demo::story;
use examples::stage::Stage;
use std::{io::Write, process::ExitCode};

fn main() -> ExitCode {
    let told = Stage::open().and_then(|mut stage| story::tell(&mut stage));
    let mut out = std::io::stdout();
    let code = match told {
        Ok(checks) => {
            let _ = writeln!(out, "\n{checks} claims checked");
            let _ = writeln!(out, "demo: ok");
            ExitCode::SUCCESS
        }
        Err(why) => {
            let _ = writeln!(out, "\ndemo: failed: {why}");
            ExitCode::FAILURE
        }
    };
    let _ = out.flush();
    code
}
