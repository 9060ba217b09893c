//! `baemin profile`: who somebody is on which server.

use crate::{
    Exit, Failure,
    config::{Config, DEFAULT_PROFILE, DEFAULT_SERVER, Profile},
    context::Context,
    session::Session,
    table::{Align::Left, Sheet},
};
use clap::Subcommand;
use serde_json::{Value, json};
use shared::{Lang, StoreId};

/// `baemin profile`
#[derive(Debug, Subcommand)]
pub enum Command {
    /// 프로필 목록 | List profiles
    List,
    /// 쓸 프로필 고르기 | Choose the profile in use
    Use {
        /// 프로필 이름 | The profile
        name: String,
    },
    /// 프로필 보기 | Show a profile
    Show {
        /// 프로필 이름 | The profile
        name: Option<String>,
    },
    /// 프로필 추가 또는 변경 | Add a profile, or change it
    Add {
        /// 프로필 이름 | The profile
        name: String,
        /// 로그인 이름 | The account's name
        #[arg(long)]
        account: Option<String>,
        /// 가게 번호 | The store's id
        #[arg(long, value_name = "ID", value_parser = super::store::id)]
        store: Option<StoreId>,
    },
    /// 프로필 지우기 | Remove a profile
    Remove {
        /// 프로필 이름 | The profile
        name: String,
    },
}

/// Does it.
pub fn run(ctx: &Context, command: Command) -> Result<(), Failure> {
    match command {
        Command::List => list(ctx),
        Command::Use { name } => {
            known(ctx, &name)?;
            ctx.home.change(|c| c.current = Some(name.clone()))?;
            ctx.out.done(&ctx.t(format!("프로필: {name}"), format!("Profile in use: {name}")));
            ctx.out.next("baemin profile show");
            Ok(())
        }
        Command::Show { name } => {
            let name = name.unwrap_or_else(|| ctx.name.clone());
            let profile = known(ctx, &name)?;
            ctx.out.value(&row(ctx, &name, &profile), "name", || card(ctx, &name, &profile))
        }
        Command::Add { name, account, store } => add(ctx, name, account, store),
        Command::Remove { name } => {
            let profile = known(ctx, &name)?;
            ctx.confirm("프로필을 지울까요? 로그인도 지워져요", "Remove the profile and its login?")?;
            session(ctx, &name, &profile).forget();
            ctx.home.change(|c| {
                c.profiles.remove(&name);
                if c.current.as_ref() == Some(&name) {
                    c.current = None;
                }
            })?;
            ctx.out.done(&ctx.t(format!("지웠어요: {name}"), format!("Removed: {name}")));
            ctx.out.next("baemin profile list");
            Ok(())
        }
    }
}

fn add(ctx: &Context, name: String, account: Option<String>, store: Option<StoreId>) -> Result<(), Failure> {
    let server = ctx.client.server().to_owned();
    let config: Config = ctx.home.change(|c| {
        let profile = c.profiles.entry(name.clone()).or_default();
        profile.server = Some(server);
        profile.account = account.or(profile.account.take());
        profile.store = store.or(profile.store);
        if let Some(lang) = explicit_lang() {
            profile.lang = Some(lang);
        }
    })?;
    let profile = config.profile(&name).unwrap_or_default();
    ctx.out.value(&row(ctx, &name, &profile), "name", || card(ctx, &name, &profile))?;
    ctx.out.done(&ctx.t(format!("프로필을 저장했어요: {name}"), format!("Profile saved: {name}")));
    ctx.out.next(&format!("baemin profile use {name}"));
    Ok(())
}

/// The language that was typed with this command; a locale is not kept in a profile.
fn explicit_lang() -> Option<Lang> {
    let args: Vec<String> = std::env::args().collect();
    args.iter().any(|a| a.starts_with("--lang")).then(|| crate::args::language(&args, None))
}

fn known(ctx: &Context, name: &str) -> Result<Profile, Failure> {
    ctx.config.profile(name).ok_or_else(|| {
        let what = ctx.t(format!("없는 프로필이에요: {name}"), format!("there is no such profile: {name}"));
        Failure::new(Exit::NotFound, what).hint("baemin profile list")
    })
}

fn session(ctx: &Context, name: &str, profile: &Profile) -> Session {
    Session::on_disk(&ctx.home.state, profile.server.as_deref().unwrap_or(DEFAULT_SERVER), name)
}

fn row(ctx: &Context, name: &str, profile: &Profile) -> Value {
    let tokens = session(ctx, name, profile).tokens();
    json!({
        "name": name,
        "in_use": name == ctx.config.name(None),
        "server": profile.server.as_deref().unwrap_or(DEFAULT_SERVER),
        "account": profile.account,
        "roles": tokens.as_ref().map(|t| &t.roles),
        "logged_in": tokens.is_some(),
        "store": profile.store,
        "lang": profile.lang,
    })
}

fn text(value: &Value, name: &str) -> String {
    match &value[name] {
        Value::Null => "-".into(),
        Value::String(text) => text.clone(),
        Value::Array(all) => all.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

fn card(ctx: &Context, name: &str, profile: &Profile) -> Sheet {
    let row = row(ctx, name, profile);
    let fields = [
        ("프로필", "Profile", "name"),
        ("서버", "Server", "server"),
        ("로그인 이름", "Account", "account"),
        ("역할", "Roles", "roles"),
        ("가게", "Store", "store"),
        ("언어", "Language", "lang"),
    ];
    fields.iter().fold(Sheet::card(), |card, (ko, en, field)| card.with(ctx.t(*ko, *en), text(&row, field)))
}

fn list(ctx: &Context) -> Result<(), Failure> {
    let mut profiles = ctx.config.profiles.clone();
    profiles.entry(DEFAULT_PROFILE.into()).or_default();
    let rows: Vec<Value> = profiles.iter().map(|(name, profile)| row(ctx, name, profile)).collect();
    let value = Value::Array(rows);
    ctx.out.value(&value, "name", || {
        let heads = [("", ""), ("프로필", "PROFILE"), ("서버", "SERVER"), ("로그인 이름", "ACCOUNT"), ("역할", "ROLES"), ("가게", "STORE")];
        let mut sheet = Sheet::new(&heads.map(|(ko, en)| (ko, en, Left)));
        for row in value.as_array().into_iter().flatten() {
            let mark = if row["in_use"] == true { "*" } else { "" };
            let cells = ["name", "server", "account", "roles", "store"].map(|field| text(row, field));
            sheet.row(std::iter::once(mark.to_owned()).chain(cells));
        }
        sheet
    })?;
    ctx.out.next("baemin profile use NAME");
    Ok(())
}
