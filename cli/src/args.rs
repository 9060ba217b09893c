//! The command line itself. Every help text is a pair, `한국어 | English`, and the reader's half is chosen before
//! parsing; a test refuses a text without its other half.

use crate::{
    Exit, Failure,
    commands::{account, customer, ops, profile, rider, status, store},
    output::{Color, Format},
    parse::say,
};
use clap::{
    ArgAction, Command as Clap, CommandFactory, Parser, Subcommand,
    builder::StyledStr,
    error::{ContextKind, ContextValue},
};
use shared::Lang;

/// 음식을 주문하고, 팔고, 배달해요 | Order food, sell it, deliver it
#[derive(Debug, Parser)]
#[command(
    name = "baemin",
    disable_help_flag = true,
    disable_version_flag = true,
    disable_help_subcommand = true,
    arg_required_else_help = true
)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

/// What every command takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Global {
    /// 서버 주소 | The server's address
    #[arg(long, global = true, value_name = "URL", env = "BAEMIN_SERVER", hide_env = true)]
    pub server: Option<String>,
    /// 쓸 프로필 | The profile to use
    #[arg(long, global = true, value_name = "NAME", env = "BAEMIN_PROFILE", hide_env = true)]
    pub profile: Option<String>,
    /// 출력 형식 | How to write data
    #[arg(short, long, global = true, value_enum, value_name = "FORMAT", hide_possible_values = true)]
    pub output: Option<Format>,
    /// 언어: ko 또는 en | The language: ko or en
    #[arg(long, global = true, value_name = "LANG", value_parser = lang)]
    pub lang: Option<Lang>,
    /// 색: auto, always, never | Colour: auto, always, never
    #[arg(
        long,
        global = true,
        value_enum,
        value_name = "WHEN",
        default_value = "auto",
        hide_possible_values = true,
        hide_default_value = true
    )]
    pub color: Color,
    /// 묻지 않고 진행 | Do not ask, go on
    #[arg(short, long, global = true)]
    pub yes: bool,
    /// 아무것도 묻지 않기 | Never ask anything
    #[arg(long, global = true)]
    pub no_input: bool,
    /// 안내 없이 결과만 | Data only, no notices
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// 도움말 | Help
    #[arg(short, long, global = true, action = ArgAction::Help)]
    help: Option<bool>,
    /// 버전 | Version
    #[arg(short = 'V', long, action = ArgAction::SetTrue)]
    pub version: bool,
}

/// Who does what.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// 고객: 주문하고, 바꾸고, 받기 | Customer: order, change, receive
    #[command(subcommand)]
    Customer(customer::Command),
    /// 점주: 가게와 주문전표 | Owner: the store and its tickets
    #[command(subcommand)]
    Store(store::Command),
    /// 라이더: 배달하기 | Rider: deliver
    #[command(subcommand)]
    Rider(rider::Command),
    /// 주문이 어디까지 왔는지 보기 | Where an order stands
    #[command(subcommand)]
    Status(status::Command),
    /// 운영: 살펴보고 고치기 | Operators: look and mend
    #[command(subcommand)]
    Ops(ops::Command),
    /// 로그인 | Log in
    Login(account::Login),
    /// 로그아웃 | Log out
    Logout,
    /// 계정 | Accounts
    #[command(subcommand)]
    Account(account::Command),
    /// 프로필: 한 터미널에서 여러 역할 | Profiles: several roles in one terminal
    #[command(subcommand)]
    Profile(profile::Command),
    /// 셸 자동완성 스크립트 | A completion script for a shell
    Completions {
        /// 셸 이름 | The shell
        shell: clap_complete::Shell,
    },
    /// 종료 코드 | Exit codes
    ExitCodes,
    /// 명령의 도움말 | Help on a command
    Help {
        /// 명령 | The command
        command: Vec<String>,
    },
}

fn lang(text: &str) -> Result<Lang, String> {
    Lang::parse(text).ok_or_else(|| "ko, en".into())
}

/// The half of a pair.
fn half(text: &StyledStr, lang: Lang) -> Option<StyledStr> {
    let text = text.to_string();
    let (ko, en) = text.split_once('|')?;
    Some(lang.pick(ko, en).trim().to_owned().into())
}

/// The command tree in one language.
pub fn tree(lang: Lang) -> Clap {
    let mut tree = in_language(Cli::command(), lang).version(env!("CARGO_PKG_VERSION"));
    tree = tree.mut_subcommand("exit-codes", |c| c.after_help(exit_codes(lang)));
    let example = lang.pick(
        "예:\n  baemin customer join --name 홍길동 --phone 010-1234-5678 --address '강남대로 396' --at 37.4979,127.0276\n  baemin customer order --store 교촌치킨 --item 후라이드=2\n  baemin status watch last\n\nEnglish: --lang en",
        "Examples:\n  baemin customer join --name Hong --phone 010-1234-5678 --address '396 Gangnam-daero' --at 37.4979,127.0276\n  baemin customer order --store Kyochon --item 후라이드=2\n  baemin status watch last\n\n한국어: --lang ko",
    );
    tree.after_help(example)
}

fn in_language(command: Clap, lang: Lang) -> Clap {
    let about = command.get_about().and_then(|text| half(text, lang)).unwrap_or_default();
    let template = lang.pick(
        "{about-with-newline}\n사용법: {usage}\n\n{all-args}{after-help}",
        "{about-with-newline}\nUsage: {usage}\n\n{all-args}{after-help}",
    );
    command
        .about(about)
        .help_template(template)
        .subcommand_help_heading(lang.pick("명령", "Commands"))
        .mut_args(|arg| {
            let help = help_of(&arg, lang);
            let heading = match (arg.is_positional(), arg.is_global_set()) {
                (true, _) => lang.pick("인자", "Arguments"),
                (false, false) => lang.pick("옵션", "Options"),
                (false, true) => lang.pick("공통 옵션", "Common options"),
            };
            let arg = arg.help(help).help_heading(heading);
            // Only of what takes a value can it be hidden.
            if arg.get_action().takes_values() { arg.hide_possible_values(true).hide_default_value(true) } else { arg }
        })
        .mut_subcommands(|sub| in_language(sub, lang))
}

/// The help of an argument, with the values that it takes and the one that it has by itself: the parser says these in English.
fn help_of(arg: &clap::Arg, lang: Lang) -> String {
    let mut text = arg.get_help().and_then(|text| half(text, lang)).unwrap_or_default().to_string();
    if !arg.get_action().takes_values() {
        return text;
    }
    if !arg.is_hide_possible_values_set() {
        let values: Vec<String> = arg.get_possible_values().iter().map(|value| value.get_name().to_owned()).collect();
        if !values.is_empty() {
            text.push_str(&lang.pick(format!(" [값: {}]", values.join(", ")), format!(" [values: {}]", values.join(", "))));
        }
    }
    if !arg.is_hide_default_value_set() {
        let values: Vec<_> = arg.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
        if !values.is_empty() {
            text.push_str(&lang.pick(format!(" [기본: {}]", values.join(", ")), format!(" [default: {}]", values.join(", "))));
        }
    }
    text
}

/// The table of exit codes.
pub fn exit_codes(lang: Lang) -> String {
    Exit::ALL.iter().map(|exit| format!("{:>4}  {}", exit.code(), exit.say(lang))).collect::<Vec<_>>().join("\n")
}

/// The reader's language, which must be known before parsing: flag, environment, configuration, locale, English.
pub fn language(args: &[String], configured: Option<Lang>) -> Lang {
    let flag = args.iter().enumerate().find_map(|(i, arg)| match arg.strip_prefix("--lang")? {
        "" => args.get(i + 1).cloned(),
        rest => rest.strip_prefix('=').map(str::to_owned),
    });
    let from = |text: String| Lang::parse(&text);
    let environment = std::env::var("BAEMIN_LANG").ok().and_then(from);
    // `C` and `POSIX` say nothing of a language, so the next one is asked.
    let locale = || ["LC_ALL", "LC_MESSAGES", "LANG"].iter().find_map(|name| std::env::var(name).ok().and_then(from));
    flag.and_then(from)
        .or(environment)
        .or(configured)
        .or_else(locale)
        .or_else(|| sys_locale::get_locale().and_then(from))
        .unwrap_or(Lang::En)
}

/// The parser's complaint, in the three lines of every failure.
pub fn complaint(error: &clap::Error, args: &[String], lang: Lang) -> Failure {
    use clap::error::ErrorKind::*;
    let (ko, en) = match error.kind() {
        MissingRequiredArgument => ("빠진 값이 있어요", "something is missing"),
        UnknownArgument => ("모르는 인자예요", "unknown argument"),
        InvalidValue | ValueValidation => ("잘못된 값이에요", "not a valid value"),
        InvalidSubcommand => ("모르는 명령이에요", "unknown command"),
        MissingSubcommand | DisplayHelpOnMissingArgumentOrSubcommand => ("명령을 골라 주세요", "a command is missing"),
        ArgumentConflict => ("함께 쓸 수 없어요", "these do not go together"),
        TooManyValues | TooFewValues | WrongNumberOfValues => ("값의 수가 맞지 않아요", "not that many values"),
        _ => return Failure::usage(error.render().to_string().trim_start_matches("error: ").trim_end()).hint(page_for(error, args)),
    };
    let said = |kinds: &[ContextKind]| -> Vec<String> { kinds.iter().filter_map(|k| error.get(*k)).map(ToString::to_string).collect() };
    let subject = said(&[ContextKind::InvalidArg, ContextKind::InvalidSubcommand, ContextKind::InvalidValue]).join(" ");
    let source = std::error::Error::source(error).map(ToString::to_string);
    let better = said(&[ContextKind::SuggestedArg, ContextKind::ValidValue]).join(", ");
    let better = (!better.is_empty()).then(|| lang.pick(format!("이것을 쓸 수 있어요: {better}"), format!("there is {better}")));
    let mut failure = Failure::usage(format!("{}: {subject}", lang.pick(ko, en))).hint(page_for(error, args));
    failure.why = source.map(|text| say(&text, lang).to_owned()).or(better);
    failure
}

/// The command that shows the help of what was meant, as far as that is known.
fn page_for(error: &clap::Error, args: &[String]) -> String {
    let named = |kind: ContextKind| -> Option<String> {
        match error.get(kind)? {
            ContextValue::String(name) => Some(name.clone()),
            // The most similar one comes last.
            ContextValue::Strings(names) => names.last().cloned(),
            _ => None,
        }
    };
    let mut words = path(args);
    let is_unknown = error.kind() == clap::error::ErrorKind::InvalidSubcommand;
    let is_root = |name: &String| is_unknown && Cli::command().find_subcommand(name).is_some();
    match (named(ContextKind::InvalidSubcommand).filter(is_root), named(ContextKind::SuggestedSubcommand)) {
        // A command of its own that was sought beneath another one.
        (Some(root), _) => words = vec![root],
        (None, Some(meant)) => words.push(meant),
        (None, None) => {}
    }
    words.insert(0, "baemin".into());
    words.push("--help".into());
    words.join(" ")
}

/// The command that a command line names, as far as it does: what a flag takes is none, whatever it is called.
pub fn path(args: &[String]) -> Vec<String> {
    let (root, mut path) = (Cli::command(), vec![]);
    let takes = |flag: &str| {
        let is_it = |arg: &&clap::Arg| match flag.strip_prefix("--") {
            Some(long) => arg.get_long() == Some(long),
            // The last one of several letters may take a value.
            None => arg.get_short().is_some_and(|short| flag.ends_with(short)),
        };
        root.get_arguments().find(is_it).is_some_and(|arg| arg.get_action().takes_values())
    };
    let (mut at, mut words) = (&root, args.iter().skip(1));
    while let Some(word) = words.next() {
        if word.starts_with('-') {
            let _ = takes(word).then(|| words.next());
        } else if let Some(below) = at.find_subcommand(word) {
            path.push(word.clone());
            at = below;
        } else if at.has_subcommands() {
            // Whatever comes behind a command that is none is not one of the commands here.
            break;
        }
    }
    path
}

/// Whether a command line that could not be read asks for JSON.
pub fn wants_json(args: &[String]) -> bool {
    let is_json = |word: &str| matches!(word, "json" | "jsonl");
    let is_joined = |arg: &String| ["--output=", "-o=", "-o"].iter().any(|flag| arg.strip_prefix(flag).is_some_and(is_json));
    args.iter().any(is_joined) || args.windows(2).any(|two| matches!(two[0].as_str(), "-o" | "--output") && is_json(&two[1]))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may end here")]
mod tests {
    use super::*;

    #[test]
    fn the_tree_is_sound() {
        for lang in [Lang::Ko, Lang::En] {
            tree(lang).debug_assert();
        }
    }

    /// Every help text of a command and below, with the way to it.
    fn texts(command: &Clap, path: &str, all: &mut Vec<(String, String)>) {
        let path = format!("{path} {}", command.get_name());
        all.push((path.clone(), command.get_about().map(ToString::to_string).unwrap_or_default()));
        for arg in command.get_arguments() {
            all.push((format!("{path} {}", arg.get_id()), arg.get_help().map(ToString::to_string).unwrap_or_default()));
        }
        command.get_subcommands().for_each(|sub| texts(sub, &path, all));
    }

    #[test]
    fn every_help_text_is_a_pair() {
        let mut all = Vec::new();
        texts(&Cli::command(), "", &mut all);
        assert!(all.len() > 100);
        for (path, text) in all {
            let halves: Vec<&str> = text.split('|').map(str::trim).collect();
            assert!(halves.len() == 2 && halves.iter().all(|h| !h.is_empty()), "{path}: {text:?}");
            let is_korean = |text: &str| text.chars().any(|c| ('가'..='힣').contains(&c));
            assert!(is_korean(halves[0]) && !is_korean(halves[1]), "{path}: {text:?}");
        }
    }

    #[test]
    fn help_has_the_same_number_of_lines_in_both_languages() {
        fn lines(mut command: Clap) -> Vec<usize> {
            let own = command.render_help().to_string().lines().count();
            let subs: Vec<Clap> = command.get_subcommands().cloned().collect();
            std::iter::once(own).chain(subs.into_iter().flat_map(lines)).collect()
        }
        assert_eq!(lines(tree(Lang::Ko).term_width(200)), lines(tree(Lang::En).term_width(200)));
    }

    #[test]
    fn the_parser_adds_no_english_to_korean_help() {
        fn pages(mut command: Clap, all: &mut Vec<String>) {
            all.push(command.render_long_help().to_string());
            command.get_subcommands().cloned().collect::<Vec<_>>().into_iter().for_each(|sub| pages(sub, all));
        }
        let (mut all, mut script) = (Vec::new(), Vec::new());
        pages(tree(Lang::Ko), &mut all);
        clap_complete::generate(clap_complete::Shell::Zsh, &mut tree(Lang::Ko), "baemin", &mut script);
        all.push(String::from_utf8(script).unwrap());
        for word in ["possible values", "Possible values", "[default:", "For people", "Ids only", "Never"] {
            assert!(all.iter().all(|page| !page.contains(word)), "{word}");
        }
        assert!(all.iter().any(|page| page.contains("[값: bash, ")) && all.iter().any(|page| page.contains("[기본: 15]")));
    }

    #[test]
    fn the_flag_chooses_the_language() {
        let args = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(language(&args("baemin --lang ko"), Some(Lang::En)), Lang::Ko);
        assert_eq!(language(&args("baemin x --lang=en-US"), Some(Lang::Ko)), Lang::En);
    }

    #[test]
    fn complaints_speak_the_language_of_the_reader() {
        let complaint = |line: &str, lang: Lang| {
            let args: Vec<String> = line.split(' ').map(str::to_owned).collect();
            complaint(&tree(Lang::Ko).try_get_matches_from(&args).unwrap_err(), &args, lang).lines(lang).join("\n")
        };
        assert!(complaint("baemin custmer", Lang::Ko).starts_with("오류: 모르는 명령이에요: custmer"));
        assert_eq!(complaint("baemin custmer", Lang::En), "error: unknown command: custmer\n  next: baemin customer --help");
        let line = "baemin status show abc";
        assert!(complaint(line, Lang::Ko).contains("이유: 주문 번호") && complaint(line, Lang::En).contains("reason: an order id"));
    }

    #[test]
    fn what_a_complaint_suggests_can_be_typed() {
        for (line, next) in [
            ("baemin ops login operator", "baemin login --help"),
            ("baemin --profile ops ops sga last", "baemin ops saga --help"),
            ("baemin status show --untill x", "baemin status show --help"),
            ("baemin rider move", "baemin rider move --help"),
            ("baemin --output xml status show last", "baemin status show --help"),
        ] {
            let args: Vec<String> = line.split(' ').map(str::to_owned).collect();
            let failure = complaint(&tree(Lang::En).try_get_matches_from(&args).unwrap_err(), &args, Lang::En);
            assert_eq!(failure.hint.as_deref(), Some(next), "{line}");
        }
    }

    #[test]
    fn what_a_flag_takes_is_no_command() {
        let named = |line: &str| path(&line.split(' ').map(str::to_owned).collect::<Vec<_>>()).join(" ");
        for line in ["baemin customer", "baemin --profile store customer", "baemin -o json customer", "baemin --lang=ko -q customer"] {
            assert_eq!(named(line), "customer", "{line}");
        }
        assert_eq!(named("baemin ops -y parked --profile customer"), "ops parked");
        assert_eq!(named("baemin bogus --server"), "");
        assert_eq!(named("baemin -qo json customer"), "customer");
        assert_eq!(named("baemin ops login status"), "ops");
    }

    #[test]
    fn a_script_that_is_not_understood_is_answered_in_json() {
        let asks = |line: &str| wants_json(&line.split(' ').map(str::to_owned).collect::<Vec<_>>());
        for line in ["baemin bogus -o json", "baemin -ojson bogus", "baemin --output=jsonl bogus", "baemin --output json"] {
            assert!(asks(line), "{line}");
        }
        assert!(!asks("baemin bogus -o table") && !asks("baemin json"));
    }
}
