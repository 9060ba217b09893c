//! The approved templates: a file with each text as it is to be registered with SOLAPI, and the id that it has there.
//!
//! `server/alimtalk.toml` is that file with no ids in it, made by a test. A text without an id goes out by the general
//! template. The texts are in the file so that one that was changed here is not sent under the approval of another.

use domain::notification::templates::TEMPLATES;
use serde::Deserialize;
use shared::Lang;
use std::{collections::HashMap, fs, path::Path};

/// A file of all texts has about 20 kilobytes; a larger one is something else.
const MAX_BYTES: u64 = 256 * 1024;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    template: Vec<Line>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    topic: String,
    lang: Lang,
    text: String,
    id: String,
}

/// Ids, by the name of the text and its language.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Templates(HashMap<(&'static str, Lang), String>);

impl Templates {
    /// The id of an approved text, if it is.
    pub fn id(&self, name: &'static str, lang: Lang) -> Option<&str> {
        self.0.get(&(name, lang)).map(String::as_str)
    }

    /// Reads a file.
    ///
    /// # Errors
    /// A sentence for the operator: what is wrong, and what to do.
    pub fn read(path: &Path) -> Result<Self, String> {
        let named = |why: String| format!("{}: {why}", path.display());
        let size = fs::metadata(path).map_err(|e| named(e.to_string()))?.len();
        if size > MAX_BYTES {
            return Err(named(format!("a file of templates has at most {MAX_BYTES} bytes")));
        }
        fs::read_to_string(path).map_err(|e| e.to_string()).and_then(|text| Self::parse(&text)).map_err(named)
    }

    /// Reads what is in a file.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let file: File = toml::from_str(text).map_err(|e| e.message().to_owned())?;
        let mut ids = HashMap::new();
        for Line { topic, lang, text, id } in file.template {
            let template = TEMPLATES.iter().find(|template| template.name == topic);
            let template = template.ok_or_else(|| format!("{topic}: there is no such topic"))?;
            if id.is_empty() {
                continue;
            }
            let wanted = template.alimtalk(lang);
            if text != wanted {
                let shown = lang.pick("ko", "en");
                return Err(format!("{topic} ({shown}) says other words now: have this approved, or leave its id empty:\n{wanted}"));
            }
            if ids.insert((template.name, lang), id).is_some() {
                return Err(format!("{topic}: each language is wanted once"));
            }
        }
        Ok(Self(ids))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

    use super::*;
    use std::fmt::Write;

    /// The file as it is before anything is approved.
    fn form() -> String {
        let mut form = String::from(
            "# The texts of 알림톡, to be registered with SOLAPI one by one; whatever is approved gets its id here. Then:\n\
             #   --notifier 'solapi:https://api.solapi.com?from=..&pf=..&template=..&templates=alimtalk.toml'\n\
             # A text without an id goes out by the general template, `template=..`, whose text is to be:\n",
        );
        for line in super::super::settings::TEMPLATE.lines() {
            writeln!(form, "#   {line}").unwrap();
        }
        form += "# Made by a test from the texts in server/domain/src/notification/templates.rs; UPDATE_TEMPLATES=1 writes it again.\n";
        for template in TEMPLATES {
            for (lang, shown) in [(Lang::Ko, "ko"), (Lang::En, "en")] {
                let (name, text) = (template.name, template.alimtalk(lang));
                write!(form, "\n[[template]]\ntopic = \"{name}\"\nlang = \"{shown}\"\ntext = \"\"\"\n{text}\"\"\"\nid = \"\"\n").unwrap();
            }
        }
        form
    }

    #[test]
    fn the_file_has_every_text_as_it_is_sent() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("alimtalk.toml");
        if std::env::var("UPDATE_TEMPLATES").is_ok_and(|value| value == "1") {
            fs::write(&path, form()).unwrap();
        }
        assert!(fs::read_to_string(&path).unwrap() == form(), "alimtalk.toml is not what is sent: run this test with UPDATE_TEMPLATES=1");
        assert_eq!(Templates::read(&path), Ok(Templates::default()), "nothing is approved");
    }

    #[test]
    fn approved_texts_have_their_ids_and_mistakes_are_named() {
        let all = Templates::parse(&form().replace("id = \"\"", "id = \"KA\"")).unwrap();
        assert_eq!((all.0.len(), all.id("accepted", Lang::En), all.id("eaten", Lang::Ko)), (TEMPLATES.len() * 2, Some("KA"), None));
        let line = |topic: &str, text: &str, id: &str| {
            format!("[[template]]\ntopic = \"{topic}\"\nlang = \"ko\"\ntext = \"\"\"{text}\"\"\"\nid = \"{id}\"\n")
        };
        let right = line("cooking", "[#{가게}] 조리를 시작했어요\n주문번호 #{주문번호}", "KA");
        assert!(Templates::parse(&right).is_ok());
        for (text, wanted) in [
            (line("eaten", "", ""), "no such topic"),
            (line("cooking", "조리 시작", "KA"), "have this approved"),
            (format!("{right}{right}"), "once"),
            (format!("{right}colour = 1"), "colour"),
            ("template = 7".into(), "sequence"),
        ] {
            let why = Templates::parse(&text).unwrap_err();
            assert!(why.contains(wanted), "{text}: {why}");
        }
        assert!(Templates::read(Path::new("/nowhere")).unwrap_err().starts_with("/nowhere: "));
    }
}
