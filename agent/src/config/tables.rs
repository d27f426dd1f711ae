//! All tables of the config with their keys, and the flag and the variable of each.

use super::{CollectorLimits, General, Key, Preset, Section, keys, suggest::nearest};
use std::collections::BTreeMap;
use toml::Value;

/// Everything that can be set. Made once, by `main`, from the general tables and the collectors'.
#[derive(Debug)]
pub struct Schema {
    tables: Vec<Table>,
    /// From a key's full path, such as `web.listen_address`, to its table and place there.
    by_path: BTreeMap<String, (usize, usize)>,
    /// From a flag's name without `--` to the path of its key.
    by_flag: BTreeMap<String, String>,
    aliases: &'static [Alias],
    /// What each preset sets, by the full paths of keys.
    pub(super) preset_values: PresetValues,
}

/// What a preset sets.
pub type PresetValues = fn(Preset) -> Vec<(String, Value)>;

/// One table of the config file.
#[derive(Debug)]
pub struct Table {
    /// `web` or `collector.netdev`; empty for the keys outside of any table.
    pub path: String,
    /// One sentence on what it is.
    pub summary: String,
    /// What else is good to know before it is used, a sentence each.
    pub notes: Vec<String>,
    pub keys: Vec<&'static Key>,
    pub collector: Option<CollectorTable>,
}

/// What is special about a collector's table.
#[derive(Clone, Copy, Debug)]
pub struct CollectorTable {
    pub name: &'static str,
    /// The folder it stands in.
    pub group: &'static str,
    pub summary: &'static str,
    pub enabled: bool,
    pub keys: &'static [Key],
    /// Pairs of keys of which only one can be set.
    pub exclusive: &'static [(&'static str, &'static str)],
}

/// A flag that is no key's own.
#[derive(Debug)]
pub struct Alias {
    /// Without `--`.
    pub flag: &'static str,
    pub takes_value: bool,
    pub meaning: Meaning,
}

#[derive(Debug)]
pub enum Meaning {
    /// An old name of the key with this path.
    Renamed(&'static str),
    /// Accepted for the sake of shared flag sets; the reason why nothing is done.
    Ignored(&'static str),
}

const ENABLED: &[Key] = keys! {
    /// Whether it runs.
    enabled: bool = true,
};
const DISABLED: &[Key] = keys! {
    /// Whether it runs.
    enabled: bool = false,
};

impl Schema {
    #[must_use]
    pub fn new(aliases: &'static [Alias], preset_values: PresetValues) -> Self {
        Self {
            tables: Vec::new(),
            by_path: BTreeMap::new(),
            by_flag: BTreeMap::new(),
            aliases,
            preset_values,
        }
    }

    /// Adds a table that belongs to no collector.
    pub fn add<S: General>(&mut self) {
        let keys = S::KEYS.iter().collect();
        let (path, summary) = (S::PATH.to_owned(), S::SUMMARY.to_owned());
        self.push(Table { path, summary, notes: Vec::new(), keys, collector: None });
    }

    /// Adds a collector's table, its switch first.
    pub fn add_collector(&mut self, collector: CollectorTable, notes: Vec<String>) {
        let switch = if collector.enabled { ENABLED } else { DISABLED };
        self.push(Table {
            path: format!("collector.{}", collector.name),
            summary: collector.summary.to_owned(),
            notes,
            keys: switch.iter().chain(collector.keys).chain(CollectorLimits::KEYS).collect(),
            collector: Some(collector),
        });
    }

    fn push(&mut self, table: Table) {
        let table_idx = self.tables.len();
        for (key_idx, key) in table.keys.iter().enumerate() {
            self.by_path.insert(table.key_path(key), (table_idx, key_idx));
            self.by_flag.extend(table.flag(key).map(|flag| (flag, table.key_path(key))));
        }
        self.tables.push(table);
    }

    #[must_use]
    pub fn tables(&self) -> &[Table] {
        &self.tables
    }

    #[must_use]
    pub fn table(&self, path: &str) -> Option<&Table> {
        self.tables.iter().find(|table| table.path == path)
    }

    /// The key with the full path `path`.
    #[must_use]
    pub fn key(&self, path: &str) -> Option<&'static Key> {
        self.by_path.get(path).map(|&(table, key)| self.tables[table].keys[key])
    }

    /// The key that the flag `name`, without `--`, sets.
    #[must_use]
    pub fn key_of_flag(&self, name: &str) -> Option<(&str, &'static Key)> {
        let path = self.by_flag.get(name)?;
        Some((path, self.key(path)?))
    }

    /// Flags that no key has as its own.
    pub fn aliases(&self) -> impl Iterator<Item = &'static Alias> {
        self.aliases.iter().filter(|alias| !self.by_flag.contains_key(alias.flag))
    }

    /// The names of all flags, without `--`.
    pub fn flags(&self) -> impl Iterator<Item = &str> {
        self.by_flag.keys().map(String::as_str).chain(self.aliases().map(|alias| alias.flag))
    }

    /// Whether `path` is a table, or leads to one.
    pub(super) fn is_table(&self, path: &str) -> bool {
        let leads_to =
            |table: &Table| table.path.strip_prefix(path).is_some_and(|rest| rest.starts_with('.'));
        self.tables.iter().any(|table| table.path == path || leads_to(table))
    }

    /// What the user may have meant by the key `name` in `table`, which has no such key.
    pub(super) fn suggest_key(&self, table: &str, name: &str) -> Option<String> {
        let own = self.table(table);
        let names = || own.iter().flat_map(|own| &own.keys).map(|key| key.name);
        // `cpu` means `max_cpu`.
        let longer = || names().find(|it| it.split('_').any(|word| word == name));
        if let Some(own) = own
            && let Some(meant) = nearest(name, names()).or_else(longer)
        {
            let key = own.keys.iter().find(|key| key.name == meant)?;
            let flag = own.flag(key).map(|flag| format!("   (flag: --{flag})")).unwrap_or_default();
            return Some(format!("did you mean `{meant}`?{flag}"));
        }
        let homes: Vec<_> =
            self.tables.iter().filter(|it| it.keys.iter().any(|key| key.name == name)).collect();
        match homes[..] {
            [] => {}
            [home] if home.path.is_empty() => return Some(format!("`{name}` belongs above the first table")),
            [home] => return Some(format!("`{name}` belongs to [{}]", home.path)),
            [..] if own.is_none() || name == "enabled" => {}
            [first, second, ..] => {
                return Some(format!(
                    "`{name}` belongs to other tables, such as [{}] and [{}]",
                    first.path, second.path
                ));
            }
        }
        let everywhere = self.tables.iter().flat_map(|it| it.keys.iter().map(move |key| (it, *key)));
        if let Some(meant) = nearest(name, everywhere.clone().map(|(_, key)| key.name)) {
            let (home, _) = everywhere.clone().find(|(_, key)| key.name == meant)?;
            return Some(format!("did you mean `{meant}` of [{}]?", home.path));
        }
        match own.map(|own| own.keys.iter().map(|key| format!("`{}`", key.name)).collect::<Vec<_>>()) {
            Some(names) if (1..=8).contains(&names.len()) => Some(format!("it has {}", names.join(", "))),
            _ => None,
        }
    }

    /// What the user may have meant by the table `path`, which there is not.
    pub(super) fn suggest_table(&self, path: &str) -> Option<String> {
        let last = path.rsplit('.').next()?;
        let tables = || self.tables.iter().map(|table| table.path.as_str()).filter(|it| !it.is_empty());
        let same_collector = tables().find(|it| it.strip_prefix("collector.") == Some(last));
        // `[logging]` means `[log]`.
        let longer = tables().find(|it| path.len() > 3 && path.starts_with(*it) && !path.contains('.'));
        let meant = same_collector.or(longer).or_else(|| nearest(path, tables())).or_else(|| {
            let collectors = self.tables.iter().filter_map(|table| table.collector.map(|it| it.name));
            let meant = nearest(last, collectors)?;
            tables().find(|it| it.strip_prefix("collector.") == Some(meant))
        })?;
        Some(format!("did you mean [{meant}]?"))
    }

    /// The flag that was meant by `--name`.
    #[must_use]
    pub fn suggest_flag(&self, name: &str) -> Option<String> {
        let (no, name) = name.strip_prefix("no-").map_or(("", name), |rest| ("no-", rest));
        // What all collectors' flags share says nothing about how near two names are.
        let (prefix, rest) = name.strip_prefix("collector.").map_or(("", name), |rest| ("collector.", rest));
        let candidates = || self.flags().filter_map(|flag| flag.strip_prefix(prefix));
        if let Some(meant) = nearest(rest, candidates()) {
            return Some(format!("did you mean `--{no}{prefix}{meant}`?"));
        }
        let last = rest.rsplit('.').next()?;
        let homes = self.flags().filter(|flag| flag.rsplit('.').next() == Some(last)).take(3);
        let homes: Vec<_> = homes.map(|flag| format!("`--{flag}`")).collect();
        (!homes.is_empty()).then(|| format!("there is {}", homes.join(", ")))
    }
}

impl Table {
    /// The key's full path.
    #[must_use]
    pub fn key_path(&self, key: &Key) -> String {
        match &*self.path {
            "" => key.name.to_owned(),
            path => format!("{path}.{}", key.name),
        }
    }

    /// The name of the key's flag without `--`: the path with dashes in the key's own part, where `section!` names no
    /// other; a collector's switch has the table's. `None` when only a file can hold the key.
    #[must_use]
    pub fn flag(&self, key: &Key) -> Option<String> {
        match key.flag {
            Some("") => None,
            Some(flag) => Some(flag.to_owned()),
            None if self.collector.is_some() && key.name == "enabled" => Some(self.path.clone()),
            None if self.path.is_empty() => Some(key.name.replace('_', "-")),
            None => Some(format!("{}.{}", self.path, key.name.replace('_', "-"))),
        }
    }

    /// Whether every collector has the key.
    #[must_use]
    pub fn is_common(&self, key: &Key) -> bool {
        self.collector.is_some() && CollectorLimits::KEYS.iter().any(|it| it.name == key.name)
    }

    /// The name of the key's variable in the environment; `None` when only a file can hold the key.
    #[must_use]
    pub fn variable(&self, key: &Key) -> Option<String> {
        let name = format!("HOSTLENS__{}", self.key_path(key).replace('.', "__").to_uppercase());
        (key.flag != Some("")).then_some(name)
    }
}

impl Key {
    /// Whether the flag is a switch that needs no value.
    #[must_use]
    pub fn is_switch(&self) -> bool {
        (self.default)().is_bool()
    }

    /// Whether the flag may be given several times, each adding an item.
    #[must_use]
    pub fn is_list(&self) -> bool {
        (self.default)().is_array()
    }
}
