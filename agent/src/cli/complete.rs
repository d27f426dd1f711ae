//! `--completion-bash` and its like: what a shell's script asks for, as node_exporter's does.

use super::command::{VERBS, WORDS, flags, off_name};
use crate::config::Schema;

/// The words that may stand where the last of `args` stands, a line each: values of the flag before it, flags, or
/// commands. The shell chooses those that begin as the word does.
pub(super) fn words(schema: &Schema, args: &[String]) -> String {
    let last = args.last().map_or("", String::as_str);
    let key_of = |arg: &str| schema.key_of_flag(arg.strip_prefix("--")?).map(|(_, key)| key);
    let before = args.iter().rev().nth(1).and_then(|arg| key_of(arg)).filter(|key| !key.is_switch());
    // A flag that is complete: what may follow.
    let own = key_of(last).filter(|key| !key.is_switch() && !key.choices.is_empty());
    let words: Vec<String> = match before.or(own) {
        Some(key) => key.choices.iter().map(|&word| word.to_owned()).collect(),
        _ if last.starts_with('-') => {
            let all = flags(schema).filter(|flag| !flag.arg.is_hide_set());
            let names: Vec<String> = all.filter_map(|flag| Some(flag.arg.get_long()?.to_owned())).collect();
            let switched_off = names.iter().filter(|name| {
                last.starts_with("--no-") && schema.key_of_flag(name).is_some_and(|(_, key)| key.is_switch())
            });
            let switched_off: Vec<String> = switched_off.map(|name| off_name(name)).collect();
            let rest = ["help".to_owned(), "version".to_owned()];
            rest.into_iter().chain(names).chain(switched_off).map(|name| format!("--{name}")).collect()
        }
        _ => VERBS.iter().map(|verb| verb.name).chain(WORDS).map(str::to_owned).collect(),
    };
    words.into_iter().map(|word| word + "\n").collect()
}
