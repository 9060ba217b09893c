//! How a command ends: the exit codes, and the three lines that a failure says: what, why, and what to type next.

use shared::{Lang, StoreId, problem::Problem};
use std::fmt;

/// The exit codes. They are part of the interface: scripts depend on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done; an empty list is also done.
    Done = 0,
    /// Failed in a way that has no number of its own.
    Failed = 1,
    /// The command line was not understood.
    Usage = 2,
    /// There is no such thing.
    NotFound = 3,
    /// Not logged in, or not allowed.
    Denied = 4,
    /// The state of the order forbids it, or a rule does.
    Refused = 5,
    /// The server cannot be reached, or did not answer in time.
    Unreachable = 6,
    /// A watch ended before its target.
    Short = 8,
    /// Nothing is wrong, but it does not work at this moment.
    Later = 75,
    /// Ctrl-C.
    Interrupted = 130,
}

impl Exit {
    /// Every code, in order.
    pub const ALL: [Exit; 10] = [
        Exit::Done,
        Exit::Failed,
        Exit::Usage,
        Exit::NotFound,
        Exit::Denied,
        Exit::Refused,
        Exit::Unreachable,
        Exit::Short,
        Exit::Later,
        Exit::Interrupted,
    ];

    /// The number.
    pub fn code(self) -> u8 {
        self as u8
    }

    /// What people read about it.
    pub fn say(self, lang: Lang) -> &'static str {
        let (ko, en) = match self {
            Exit::Done => ("끝났어요 (빈 목록도 포함)", "done, also for an empty list"),
            Exit::Failed => ("실패했어요", "failed"),
            Exit::Usage => ("명령을 잘못 입력했어요", "wrong usage"),
            Exit::NotFound => ("찾을 수 없어요", "not found"),
            Exit::Denied => ("로그인하지 않았거나 권한이 없어요", "not logged in, or not allowed"),
            Exit::Refused => ("지금 상태에서는 할 수 없어요", "the state, or a rule, forbids it"),
            Exit::Unreachable => ("서버에 연결할 수 없거나 시간이 지났어요", "server unreachable, or timed out"),
            Exit::Short => ("목표 상태에 이르지 못하고 지켜보기가 끝났어요", "a watch ended short of its target"),
            Exit::Later => ("잠시 뒤에 다시 해 주세요", "try again later"),
            Exit::Interrupted => ("Ctrl-C로 멈췄어요", "interrupted by Ctrl-C"),
        };
        lang.pick(ko, en)
    }

    /// The code of an HTTP answer that is not a success.
    pub fn of(status: u16, code: &str) -> Self {
        match status {
            400 | 413 => Exit::Usage,
            401 | 403 => Exit::Denied,
            404 => Exit::NotFound,
            409 if code == "in_flight" => Exit::Later,
            409 | 422 => Exit::Refused,
            429 | 502..=504 => Exit::Later,
            _ => Exit::Failed,
        }
    }
}

/// A command that did not do what was asked.
#[derive(Debug, Clone)]
pub struct Failure {
    /// The exit code.
    pub exit: Exit,
    /// What happened. Empty when there is nothing to say, as for a broken pipe.
    pub what: String,
    /// Why, if known.
    pub why: Option<String>,
    /// What to type next.
    pub hint: Option<String>,
    /// What the server said, word for word.
    pub problem: Option<Box<Problem>>,
}

impl Failure {
    /// A failure that says what happened.
    pub fn new(exit: Exit, what: impl Into<String>) -> Self {
        Self { exit, what: what.into(), why: None, hint: None, problem: None }
    }

    /// A usage error.
    pub fn usage(what: impl Into<String>) -> Self {
        Self::new(Exit::Usage, what)
    }

    /// The reader of our output went away, which is how `| head` ends: not a failure, and nothing to say.
    pub fn silent() -> Self {
        Self::new(Exit::Done, "")
    }

    /// Adds the reason.
    #[must_use]
    pub fn why(mut self, why: impl Into<String>) -> Self {
        self.why = Some(why.into());
        self
    }

    /// Adds what to type next, if it ended in one of these ways.
    #[must_use]
    pub fn or_hint(self, exits: &[Exit], hint: impl Into<String>) -> Self {
        if exits.contains(&self.exit) { self.hint(hint) } else { self }
    }

    /// Adds what to type next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Names the order in what a server suggests, which knows what it was asked and not what was typed.
    #[must_use]
    pub fn about(mut self, order: &str) -> Self {
        self.hint = self.hint.map(|hint| hint.replace("ORDER", order));
        self
    }

    /// Names the store in the same way.
    #[must_use]
    pub fn at(mut self, store: StoreId) -> Self {
        self.hint = self.hint.map(|hint| hint.replace("STORE", &store.to_string()));
        self
    }

    /// Names the profile in the command that is suggested, unless it is named already.
    #[must_use]
    pub fn typed(mut self, prefix: &str) -> Self {
        // Some name one already, and what is done to profiles is done in none of them.
        let has_it = |hint: &str| ["baemin --profile ", "baemin profile "].iter().any(|begin| hint.contains(begin));
        self.hint = self.hint.map(|hint| if has_it(&hint) { hint } else { hint.replacen("baemin ", &format!("{prefix} "), 1) });
        self
    }

    /// The server's word for what happened, or nothing.
    pub fn code(&self) -> &str {
        self.problem.as_ref().map_or("", |p| p.code.as_str())
    }

    /// What scripts read: the exit code, the server's problem word for word if it was one, and what people are told.
    pub fn json(&self) -> serde_json::Value {
        serde_json::json!({
            "exit": self.exit.code(), "code": self.problem.as_ref().map(|problem| &problem.code), "what": self.what, "why": self.why,
            "hint": self.hint, "problem": self.problem,
        })
    }

    /// The lines that people read.
    pub fn lines(&self, lang: Lang) -> Vec<String> {
        let mut lines = vec![format!("{}: {}", lang.pick("오류", "error"), self.what)];
        lines.extend(self.why.iter().map(|why| format!("  {}: {why}", lang.pick("이유", "reason"))));
        lines.extend(self.hint.iter().map(|hint| format!("  {}: {hint}", lang.pick("다음", "next"))));
        lines
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self {
            exit: Exit::of(problem.status, &problem.code),
            what: problem.title.clone(),
            why: problem.detail.clone(),
            hint: Some(problem.hint.clone()).filter(|h| !h.is_empty()),
            problem: Some(Box::new(problem)),
        }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::BrokenPipe => Failure::silent(),
            _ => Failure::new(Exit::Failed, error.to_string()),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        if let Some(why) = &self.why {
            write!(f, " ({why})")?;
        }
        Ok(())
    }
}

impl std::error::Error for Failure {}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::problem::Code;

    #[test]
    fn every_problem_has_its_exit_code() {
        let exits: Vec<(&str, u8)> = Code::ALL.iter().map(|c| (c.parts().1, Exit::of(c.parts().0, c.parts().1).code())).collect();
        assert_eq!(
            exits,
            [
                ("unauthenticated", 4),
                ("token_expired", 4),
                ("wrong_password", 4),
                ("forbidden", 4),
                ("not_found", 3),
                ("method_not_allowed", 1),
                ("not_acceptable", 1),
                ("unsupported_media_type", 1),
                ("invalid_body", 2),
                ("invalid_parameter", 2),
                ("too_large", 2),
                ("name_taken", 5),
                ("key_reused", 5),
                ("in_flight", 75),
                ("too_many_requests", 75),
                ("unavailable", 75),
            ]
        );
        assert_eq!(Exit::of(409, "too_late"), Exit::Refused);
    }

    #[test]
    fn a_failure_says_the_same_number_of_lines_in_both_languages() {
        let failure = Failure::new(Exit::Failed, "x").why("y").hint("z");
        assert_eq!(failure.lines(Lang::Ko).len(), 3);
        assert_eq!(failure.lines(Lang::En), ["error: x", "  reason: y", "  next: z"]);
    }

    #[test]
    fn what_is_suggested_can_be_typed() {
        let typed = |hint: &str| Failure::usage("x").hint(hint).about("ord_1").typed("baemin --profile kim").hint.unwrap_or_default();
        assert_eq!(typed("See: baemin status show ORDER"), "See: baemin --profile kim status show ord_1");
        assert_eq!(typed("메뉴: baemin customer menu STORE"), "메뉴: baemin --profile kim customer menu STORE");
        for kept in ["baemin --profile kim login", "baemin --profile NEW store register", "Another: baemin profile use NAME"] {
            assert_eq!(typed(kept), kept);
        }
        assert_eq!(typed("Add a dish."), "Add a dish.");
        let store = StoreId::parse("sto_0123456789abcdef");
        let menu = store.map(|store| Failure::usage("x").hint("baemin customer menu STORE").at(store).hint.unwrap_or_default());
        assert_eq!(menu.as_deref(), Some("baemin customer menu sto_0123456789abcdef"));
        assert_eq!(Failure::usage("x").hint("baemin login").typed("baemin").hint.as_deref(), Some("baemin login"));
    }

    #[test]
    fn a_script_reads_all_that_people_read() {
        let own = Failure::usage("x").hint("z").json();
        let wanted = serde_json::json!({ "exit": 2, "code": null, "what": "x", "why": null, "hint": "z", "problem": null });
        assert_eq!(own, wanted);
        let problem = Problem::new(Code::NotFound, Lang::En, None);
        let told = Failure::from(problem.clone()).json();
        assert_eq!((&told["exit"], &told["code"], &told["problem"]), (&3.into(), &"not_found".into(), &serde_json::json!(problem)));
    }

    #[test]
    fn a_broken_pipe_is_no_failure() {
        let failure = Failure::from(std::io::Error::from(std::io::ErrorKind::BrokenPipe));
        assert_eq!((failure.exit, failure.what.as_str()), (Exit::Done, ""));
    }
}
