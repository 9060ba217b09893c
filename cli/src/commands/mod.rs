//! One module per noun. Each holds its part of the command line and what it does.

pub mod account;
pub mod customer;
pub mod offer;
pub mod ops;
pub mod place;
pub mod profile;
pub mod rider;
pub mod status;
pub mod store;

use crate::{
    Exit, Failure,
    args::{self, Cli, Command},
    config::Home,
    context::{Context, Farewell},
    output::{self, Output},
};
use clap::FromArgMatches;
use shared::Lang;

/// Runs a command line and says how it ended.
pub async fn main(args: Vec<String>, farewell: Farewell) -> Exit {
    let home = Home::find();
    let config = home.as_ref().map_err(Clone::clone).and_then(Home::load);
    let configured = config.as_ref().ok().and_then(|c| {
        let flag = args.iter().position(|a| a == "--profile").and_then(|i| args.get(i + 1)).cloned();
        let name = c.name(flag.or_else(|| std::env::var("BAEMIN_PROFILE").ok()).as_deref());
        c.profile(&name).and_then(|p| p.lang).or(c.lang)
    });
    let lang = args::language(&args, configured);
    let cli = match args::tree(lang).try_get_matches_from(&args).and_then(|m| Cli::from_arg_matches(&m)) {
        Ok(cli) => cli,
        Err(error) => return complain(&error, &args, lang),
    };
    let out = Output::new(cli.global.output, lang, cli.global.quiet, cli.global.color);
    match run(cli, lang, home, config, farewell).await {
        Ok(exit) => exit,
        Err(failure) => {
            out.failure(&failure);
            failure.exit
        }
    }
}

/// The parser did not understand; or it was asked for help, which is data.
fn complain(error: &clap::Error, args: &[String], lang: Lang) -> Exit {
    if args.iter().any(|a| a == "-V" || a == "--version") {
        return ended(output::raw(&format!("baemin {}\n", env!("CARGO_PKG_VERSION"))));
    }
    if !error.use_stderr() {
        return ended(output::raw(&error.render().ansi().to_string()));
    }
    let wants_json = args::wants_json(args);
    if is_bare(error) && !wants_json {
        // A noun without a verb: what there is to choose from is more use than that there is something to choose.
        return page(&args::path(args), lang).map_or_else(
            |f| f.exit,
            |text| {
                output::raw_error(&text);
                Exit::Usage
            },
        );
    }
    let failure = args::complaint(error, args, lang);
    // What was asked for is not known when it was not understood; that a script reads is.
    let format = wants_json.then_some(output::Format::Json);
    Output::new(format, lang, false, output::Color::Auto).failure(&failure);
    Exit::Usage
}

/// A noun without a verb, or nothing at all; with a flag or a variable that is another kind of error than without.
fn is_bare(error: &clap::Error) -> bool {
    use clap::error::ErrorKind::{DisplayHelpOnMissingArgumentOrSubcommand, MissingSubcommand};
    matches!(error.kind(), MissingSubcommand | DisplayHelpOnMissingArgumentOrSubcommand)
}

fn ended(result: Result<(), Failure>) -> Exit {
    result.err().map_or(Exit::Done, |f| f.exit)
}

async fn run(
    cli: Cli,
    lang: Lang,
    home: Result<Home, Failure>,
    config: Result<crate::config::Config, Failure>,
    farewell: Farewell,
) -> Result<Exit, Failure> {
    let done = |()| Exit::Done;
    match &cli.command {
        _ if cli.global.version => return output::raw(&format!("baemin {}\n", env!("CARGO_PKG_VERSION"))).map(done),
        Command::ExitCodes => return output::raw(&format!("{}\n", args::exit_codes(lang))).map(done),
        Command::Completions { shell } => return completions(*shell, lang).map(done),
        Command::Help { command } => return help(command, lang).map(done),
        _ => {}
    }
    let makes_profile = match &cli.command {
        Command::Customer(command) => command.makes_profile(),
        Command::Store(command) => command.makes_profile(),
        Command::Rider(command) => command.makes_profile(),
        Command::Login(_) | Command::Account(_) | Command::Profile(_) => true,
        _ => false,
    };
    let ctx = Context::new(cli.global, lang, home?, config?, makes_profile, farewell)?;
    let ended = match cli.command {
        Command::Customer(command) => customer::run(&ctx, command).await,
        Command::Store(command) => store::run(&ctx, command).await.map(done),
        Command::Rider(command) => rider::run(&ctx, command).await.map(done),
        Command::Status(command) => status::run(&ctx, command).await,
        Command::Ops(command) => ops::run(&ctx, command).await,
        Command::Login(login) => account::login(&ctx, login).await.map(done),
        Command::Logout => account::logout(&ctx).await.map(done),
        Command::Account(command) => account::run(&ctx, command).await.map(done),
        Command::Profile(command) => profile::run(&ctx, command).map(done),
        Command::Completions { .. } | Command::ExitCodes | Command::Help { .. } => Ok(Exit::Done),
    };
    ended.map_err(|failure| failure.typed(&ctx.prefix))
}

fn completions(shell: clap_complete::Shell, lang: Lang) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut args::tree(lang), "baemin", &mut script);
    output::raw(&String::from_utf8_lossy(&script))
}

fn help(path: &[String], lang: Lang) -> Result<(), Failure> {
    output::raw(&page(path, lang)?)
}

/// The help of a command.
fn page(path: &[String], lang: Lang) -> Result<String, Failure> {
    let mut command = args::tree(lang);
    command.build();
    for name in path {
        let Some(found) = command.find_subcommand(name) else {
            return Err(
                Failure::usage(lang.pick(format!("모르는 명령이에요: {name}"), format!("no such command: {name}"))).hint("baemin help")
            );
        };
        command = found.clone();
    }
    Ok(command.render_help().ansi().to_string())
}
