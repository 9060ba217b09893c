//! `baemin login`, `logout` and `account`: who one is. Passwords are never arguments: they are typed at a prompt, piped
//! in, or in `BAEMIN_PASSWORD`.

use crate::{Exit, Failure, context::Context, output, parse, prompt, table::Sheet};
use clap::{Args, Subcommand};
use serde_json::json;
use shared::{
    Role,
    api::{AccountShown, Join, LoginName, Tokens},
};

/// Where the password comes from.
#[derive(Debug, Clone, Args)]
pub struct Secret {
    /// 비밀번호를 표준 입력에서 읽기 | Read the password from standard input
    #[arg(long)]
    pub password_stdin: bool,
}

/// `baemin login`
#[derive(Debug, Args)]
pub struct Login {
    /// 로그인 이름 | The account's name
    #[arg(value_parser = parse::text::<40>)]
    pub name: Option<LoginName>,
    #[command(flatten)]
    pub secret: Secret,
}

/// `baemin account`
#[derive(Debug, Subcommand)]
pub enum Command {
    /// 계정 만들고 로그인하기 | Create an account and log in
    Create {
        /// 로그인 이름 | The account's name
        #[arg(long, value_parser = parse::text::<40>)]
        name: LoginName,
        /// 역할: customer, owner, rider | A role: customer, owner, rider
        #[arg(long = "role", value_parser = role, required = true)]
        roles: Vec<Role>,
        #[command(flatten)]
        secret: Secret,
    },
    /// 내 계정 보기 | Show my account
    Show,
}

fn role(text: &str) -> Result<Role, String> {
    match text {
        "customer" | "고객" => Ok(Role::Customer),
        "owner" | "점주" => Ok(Role::Owner),
        "rider" | "라이더" => Ok(Role::Rider),
        _ => Err("customer, owner, rider".into()),
    }
}

impl Secret {
    /// The password.
    pub fn read(&self, ctx: &Context, is_new: bool) -> Result<String, Failure> {
        if self.password_stdin {
            return output::first_line();
        }
        match std::env::var("BAEMIN_PASSWORD") {
            Ok(password) if !password.is_empty() => Ok(password),
            _ if ctx.can_ask() => prompt::password(ctx.lang, is_new),
            // Whoever has no account yet cannot log in.
            _ if is_new => {
                let hint = ctx.t("같은 명령에 --password-stdin < FILE 을 붙이세요.", "Add --password-stdin < FILE to the same command.");
                Err(ctx.missing("--password-stdin", "").hint(hint))
            }
            _ => Err(ctx.missing("--password-stdin", "login NAME --password-stdin < FILE")),
        }
    }
}

/// `baemin login`
pub async fn login(ctx: &Context, login: Login) -> Result<(), Failure> {
    let name = match login.name {
        Some(name) => name,
        None => known_name(ctx)?,
    };
    let password = login.secret.read(ctx, false)?;
    let tokens = ctx.wait(ctx.client.login(&name, &password)).await?;
    ctx.keep(|p| p.account = Some(name.to_string()))?;
    welcome(ctx, &name, &tokens);
    Ok(())
}

/// The name on the profile, or the one that is typed.
fn known_name(ctx: &Context) -> Result<LoginName, Failure> {
    if let Some(name) = ctx.profile.account.as_deref().and_then(|n| LoginName::new(n).ok()) {
        return Ok(name);
    }
    if ctx.can_ask() {
        return prompt::line(ctx.lang, ctx.t("로그인 이름", "Account"), "", parse::text::<40>);
    }
    Err(ctx.missing("NAME", "login NAME"))
}

fn welcome(ctx: &Context, name: &LoginName, tokens: &Tokens) {
    ctx.out.done(&ctx.t(format!("로그인했어요: {name}"), format!("Logged in: {name}")));
    ctx.next(match tokens.roles.first() {
        Some(Role::Owner) => "store board",
        Some(Role::Rider) => "rider on --at LAT,LNG",
        Some(Role::Operator) => "ops health",
        _ => "customer stores --open",
    });
}

/// `baemin logout`
pub async fn logout(ctx: &Context) -> Result<(), Failure> {
    ctx.wait(ctx.client.logout()).await?;
    ctx.out.done(ctx.t("로그아웃했어요", "Logged out."));
    ctx.next("login");
    Ok(())
}

/// `baemin account`
pub async fn run(ctx: &Context, command: Command) -> Result<(), Failure> {
    match command {
        Command::Create { name, roles, secret } => {
            let password = secret.read(ctx, true)?;
            let before = other(ctx, &name);
            let join = Join { name: name.clone(), password: password.clone(), roles };
            let reply = ctx.wait(ctx.client.join(&join)).await?;
            let tokens = ctx.wait(ctx.client.login(&name, &password)).await?;
            ctx.keep(|p| p.account = Some(name.to_string()))?;
            ctx.out.one(&reply, "account", || card(ctx, &reply.read()?))?;
            tell_other(ctx, before);
            welcome(ctx, &name, &tokens);
            Ok(())
        }
        Command::Show => {
            let reply = ctx.get(&format!("/accounts/{}", ctx.client.me()?.account)).await?;
            ctx.out.one(&reply, "account", || card(ctx, &reply.read()?))
        }
    }
}

/// The account that the profile is logged in with, when it is not this one.
fn other(ctx: &Context, name: &LoginName) -> Option<String> {
    ctx.client.tokens()?;
    ctx.profile.account.clone().filter(|account| account.as_str() != &**name)
}

/// Says whose the profile was, so that whoever meant to keep that finds the way back.
fn tell_other(ctx: &Context, before: Option<String>) {
    let Some(before) = before else { return };
    let line = ctx.line(&format!("login {before}"));
    ctx.out.note(&ctx.t(
        format!("이 프로필에 전에 로그인한 계정: {before} (돌아가려면: {line})"),
        format!("This profile was logged in as {before} before (to go back: {line})."),
    ));
}

fn card(ctx: &Context, shown: &AccountShown) -> Result<Sheet, Failure> {
    let roles = json!(shown.roles);
    let roles: Vec<&str> = roles.as_array().into_iter().flatten().filter_map(|r| r.as_str()).collect();
    Ok(Sheet::card()
        .with(ctx.t("계정", "Account"), shown.account)
        .with(ctx.t("로그인 이름", "Name"), &shown.name)
        .with(ctx.t("역할", "Roles"), roles.join(", ")))
}

/// What joining in a role needs of the account.
#[derive(Debug, Args)]
pub struct Entry {
    /// 로그인 이름 (기본: 프로필의 계정, 아니면 --name) | The account's name (default: of the profile, else --name)
    #[arg(long, value_parser = parse::text::<40>)]
    pub account: Option<LoginName>,
    #[command(flatten)]
    pub secret: Secret,
}

/// How somebody came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entered {
    /// Was logged in.
    Stayed,
    /// With an account that was there.
    Returned,
    /// With a new account.
    Joined,
}

/// Sees to it that somebody with this role is logged in: as now, or with an account that is there, or with a new one.
pub async fn enter(ctx: &Context, entry: &Entry, name: &str, role: Role) -> Result<Entered, Failure> {
    let kept = ctx.client.tokens().filter(|_| entry.account.is_none() || entry.account.as_deref() == ctx.profile.account.as_deref());
    if let Some(tokens) = kept {
        if tokens.roles.contains(&role) {
            return Ok(Entered::Stayed);
        }
        let what = ctx.t("이 계정에는 그 역할이 없어요", "this account does not have that role");
        return Err(Failure::new(Exit::Denied, what).hint(format!("baemin --profile NEW {}", example(role))));
    }
    let account = entry.account.clone().or_else(|| ctx.profile.account.as_deref().and_then(|n| LoginName::new(n).ok()));
    let account = account.map_or_else(|| parse::text::<40>(name), Ok).map_err(|e| Failure::usage(parse::say(&e, ctx.lang)))?;
    let password = entry.secret.read(ctx, true)?;
    let before = other(ctx, &account);
    let join = Join { name: account.clone(), password: password.clone(), roles: vec![role] };
    let entered = match ctx.wait(ctx.client.join(&join)).await {
        Ok(_) => {
            ctx.wait(ctx.client.login(&account, &password)).await?;
            Entered::Joined
        }
        // The name is taken, possibly by an earlier run of the same command: the password tells.
        Err(taken) if taken.code() == "name_taken" => {
            ctx.wait(ctx.client.login(&account, &password)).await.map_err(|denied| match denied.exit {
                Exit::Denied => taken.hint(format!("{} --account OTHER", ctx.line(example(role)))),
                _ => denied,
            })?;
            Entered::Returned
        }
        Err(failure) => return Err(failure),
    };
    ctx.keep(|p| p.account = Some(account.to_string()))?;
    tell_other(ctx, before);
    Ok(entered)
}

fn example(role: Role) -> &'static str {
    match role {
        Role::Owner => "store register",
        Role::Rider => "rider register",
        _ => "customer join",
    }
}
