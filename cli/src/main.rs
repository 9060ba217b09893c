//! Runs a command and exits with its code; the only place that exits.

use baemin::{Exit, commands, context::Farewell, output, output::Output};
use std::process::ExitCode;

fn main() -> ExitCode {
    let Ok(runtime) = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() else {
        return ExitCode::from(Exit::Failed.code());
    };
    let farewell = Farewell::default();
    let exit = runtime.block_on(async {
        // The command has its own task: a question blocks that one, and Ctrl-C is heard all the same.
        let command = tokio::spawn(commands::main(std::env::args().collect(), farewell.clone()));
        tokio::select! {
            exit = command => exit.unwrap_or(Exit::Failed),
            Ok(()) = tokio::signal::ctrl_c() => {
                Output::restore_terminal();
                let text = farewell.lock().ok().and_then(|mut f| f.take()).unwrap_or_default();
                output::raw_error(&format!("\n{text}"));
                Exit::Interrupted
            }
        }
    });
    // A thread that waits for a key never ends by itself.
    runtime.shutdown_background();
    ExitCode::from(exit.code())
}
